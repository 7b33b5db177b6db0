"""Who is calling: token format, credentials in headers, principals; knows no HTTP answer and no database."""

"""Wire types of Amazon Bedrock's Converse API as msgspec Structs; knows no hub type and no endpoint."""

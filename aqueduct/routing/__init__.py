"""Which deployment serves a request; knows neither HTTP nor the database."""

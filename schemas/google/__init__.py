"""Wire types of the Gemini API as msgspec Structs; knows no hub type and no endpoint."""

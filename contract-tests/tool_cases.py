"""Tools that several tests of behaviours offer."""

from matrix import tool

CITY = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}
ZONE = {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}
WEATHER, TIME = tool("get_weather", CITY), tool("get_time", ZONE)
TOOLS = [WEATHER, TIME]

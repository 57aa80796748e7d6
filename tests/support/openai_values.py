"""What the tests of OpenAI's two APIs ask for by the official SDK: one function, one kind of object, each with its smallest instance."""

from typing import Any, Literal

from pydantic import BaseModel, Field

FUNCTION: Any = {
    "name": "weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "kelvin"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
}
ARGUMENTS = {"city": "", "unit": "kelvin"}


class Address(BaseModel):
    """An object within another."""

    street: str
    zip_code: str | None


class Person(BaseModel):
    """An object with bounds, a choice, a list, and itself."""

    name: str = Field(min_length=2)
    age: int = Field(ge=18)
    kind: Literal["user", "admin"]
    addresses: list[Address] = Field(min_length=1)
    boss: "Person | None"


PERSON = Person(name="aa", age=18, kind="user", addresses=[Address(street="", zip_code="")], boss=None)

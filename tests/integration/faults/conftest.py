"""The fixtures that these tests share."""

from support import laboratory as fixtures

laboratory = fixtures.laboratory

"""Presets. Frozen: what `anyrouter.storage.schema` says later is none of this revision's business."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table; nothing that is there changes."""
    op.create_table(
        "presets",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("organisation_id", _ID, sa.ForeignKey("organisations.id"), nullable=False),
        sa.Column("environment_id", _ID, sa.ForeignKey("environments.id"), nullable=False),
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("dialect", sa.String(16), nullable=False),
        sa.Column("system_prompt", sa.Text),
        sa.Column("members", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("environment_id", "slug", name="uq_presets_environment_id_slug"),
    )
    op.create_index("ix_presets_organisation_id", "presets", ["organisation_id"])


def downgrade() -> None:
    """Drop the table, and all presets with it."""
    op.drop_table("presets")

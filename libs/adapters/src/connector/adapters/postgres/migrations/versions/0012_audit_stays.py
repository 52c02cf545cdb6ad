"""The audit is only added to: no statement changes a line, and none but retention's deletes one."""

from alembic import op

revision = "0012_audit_stays"
down_revision = "0011_read_digest"

_STATEMENTS = (
    """
    create function refuse_audit_change() returns trigger language plpgsql as $$
    begin
        if tg_op = 'DELETE' and current_setting('connector.retention', true) = 'on' then
            return old;
        end if;
        raise exception 'the audit is only added to';
    end
    $$
    """,
    "create trigger audit_stays before update or delete on audit for each row execute function refuse_audit_change()",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)

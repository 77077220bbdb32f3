"""Makes lazy tables of data types, and runs SQL on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..context import Context
from ..market.data_types import DATA_TYPES, get_data_type
from .scan import Source, schema_of

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Scanner:
    """Lazy tables over all days of a data type."""

    context: Context

    def scan(self, data_type: str) -> pl.LazyFrame:
        """See `FlatSession.scan`."""
        from polars.io.plugins import register_io_source

        self.context.runner.check_open()
        found = get_data_type(data_type)
        if not found.columns:
            raise ValueError(
                f"data_type={data_type!r} has no known columns, which a scan needs; name them: "
                "session.register(name, root, folder, columns=[…])"
            )
        source = Source(found.name, self.context.spec, self.context)
        return register_io_source(source, schema=schema_of(found))

    def sql(self, query: str) -> pl.DataFrame:
        """See `FlatSession.sql`."""
        import polars as pl

        if not isinstance(query, str) or not query.strip():
            raise ValueError(f"query={query!r} must be SQL, for example 'SELECT * FROM …'")
        tables = {name: self.scan(name) for name, found in DATA_TYPES.items() if found.columns}
        return pl.SQLContext(tables).execute(query, eager=True)

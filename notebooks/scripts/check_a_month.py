"""Is a month of files complete and sound, and was it these files? Audit, then a lock file."""

import tempfile
from pathlib import Path

from flatnb import FlatSession

MONTH = ("stocks_daily", "2024-01-02", "2024-01-31")

with FlatSession.demo() as session, tempfile.TemporaryDirectory() as folder:
    print(session.available(*MONTH))
    audit = session.audit(*MONTH)
    print(audit)
    lock = Path(folder) / "study.lock"
    session.lock(lock)
    verification = session.verify(lock)
    print(verification)

assert audit and verification

"""Which trades make which part of a bar: sale conditions and correction codes, as tables.

The rules for stocks are those of the consolidated tape: the processing guidelines for sale
conditions in the CTA plan's CTS specification and in the UTP plan's UTDF specification, as the
vendor's ``/v3/reference/conditions`` gives them (``update_rules.consolidated``), by its own
numbers. A trade with several conditions updates what all of them let it, and one without any is a
regular sale. The vendor departs from the tape in one thing, so that there are minute bars before
09:30 and after 16:00: there a trade "Form T/Extended Hours" does make prices (its knowledge base,
"How does Polygon create the OHLCV aggregate bars?").

Public copies of the vendor's table agree on all that is below but number 17, which an older one
lets update high and low alone; on the tape it sets the last price if it is the first or comes from
the listing market. That volume is the sum of all trades but those of 15, 16 and 38 has been
measured against the vendor's day bars.

For options the vendor's numbers are those of its table of OPRA's message types; the columns
follow OPRA's wording of each (OPRA binary data recipient specification, "Equity and index last
sale"), as no public copy of the vendor's own rules for options was found. In crypto trades a
number gives the side of the taker and changes nothing; in futures trades there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

# id | name | updates open and close | updates high and low | updates volume
_STOCKS = """
0 | Regular Sale | Y Y Y
1 | Acquisition | Y Y Y
2 | Average Price Trade | N N Y
3 | Automatic Execution | Y Y Y
4 | Bunched Trade | Y Y Y
5 | Bunched Sold Trade | N Y Y
6 | CAP Election | Y Y Y
7 | Cash Sale | N N Y
8 | Closing Prints | Y Y Y
9 | Cross Trade | Y Y Y
10 | Derivatively Priced | N Y Y
11 | Distribution | Y Y Y
12 | Form T/Extended Hours | N N Y
13 | Extended Hours (Sold Out Of Sequence) | N N Y
14 | Intermarket Sweep | Y Y Y
15 | Market Center Official Close | N N N
16 | Market Center Official Open | N N N
17 | Market Center Opening Trade | Y Y Y
18 | Market Center Reopening Trade | Y Y Y
19 | Market Center Closing Trade | Y Y Y
20 | Next Day | N N Y
21 | Price Variation Trade | N N Y
22 | Prior Reference Price | N Y Y
23 | Rule 155 Trade (AMEX) | Y Y Y
24 | Rule 127 (NYSE Only) | Y Y Y
25 | Opening Prints | Y Y Y
27 | Stopped Stock (Regular Trade) | Y Y Y
28 | Re-Opening Prints | Y Y Y
29 | Seller | N N Y
30 | Sold Last | Y Y Y
31 | Sold Last and Stopped Stock | Y Y Y
32 | Sold (Out Of Sequence) | N Y Y
33 | Sold (Out of Sequence) and Stopped Stock | N Y Y
34 | Split Trade | Y Y Y
35 | Stock Option | Y Y Y
36 | Yellow Flag Regular Trade | Y Y Y
37 | Odd Lot Trade | N N Y
38 | Corrected Consolidated Close (per listing market) | Y Y N
41 | Trade Thru Exempt | Y Y Y
52 | Contingent Trade | N N Y
53 | Qualified Contingent Trade | N N Y
55 | Opening Reopening Trade Detail | Y Y Y
57 | Short Sale Restriction Activated | Y Y Y
58 | Short Sale Restriction Continued | Y Y Y
59 | Short Sale Restriction Deactivated | Y Y Y
60 | Short Sale Restriction In Effect | Y Y Y
62 | Financial Status - Bankrupt | Y Y Y
63 | Financial Status - Deficient | Y Y Y
64 | Financial Status - Delinquent | Y Y Y
65 | Financial Status - Bankrupt and Deficient | Y Y Y
66 | Financial Status - Bankrupt and Delinquent | Y Y Y
67 | Financial Status - Deficient and Delinquent | Y Y Y
68 | Financial Status - Deficient, Delinquent, and Bankrupt | Y Y Y
69 | Financial Status - Liquidation | Y Y Y
70 | Financial Status - Creations Suspended | Y Y Y
71 | Financial Status - Redemptions Suspended | Y Y Y
"""

_OPTIONS = """
201 | Canceled | N N N
202 | Late and Out Of Sequence | N Y Y
203 | Last and Canceled | N N N
204 | Late | Y Y Y
205 | Opening Trade and Canceled | N N N
206 | Opening Trade, Late, and Out Of Sequence | N Y Y
207 | Only Trade and Canceled | N N N
208 | Opening Trade and Late | Y Y Y
209 | Automatic Execution | Y Y Y
210 | Reopening Trade | Y Y Y
219 | Intermarket Sweep Order | Y Y Y
227 | Single Leg Auction Non ISO | Y Y Y
228 | Single Leg Auction ISO | Y Y Y
229 | Single Leg Cross Non ISO | Y Y Y
230 | Single Leg Cross ISO | Y Y Y
231 | Single Leg Floor Trade | Y Y Y
232 | Multi Leg auto-electronic trade | Y Y Y
233 | Multi Leg Auction | Y Y Y
234 | Multi Leg Cross | Y Y Y
235 | Multi Leg floor trade | Y Y Y
236 | Multi Leg auto-electronic trade against single leg(s) | Y Y Y
237 | Stock Options Auction | Y Y Y
238 | Multi Leg Auction against single leg(s) | Y Y Y
239 | Multi Leg floor trade against single leg(s) | Y Y Y
240 | Stock Options auto-electronic trade | Y Y Y
241 | Stock Options Cross | Y Y Y
242 | Stock Options floor trade | Y Y Y
243 | Stock Options auto-electronic trade against single leg(s) | Y Y Y
244 | Stock Options Auction against single leg(s) | Y Y Y
245 | Stock Options floor trade against single leg(s) | Y Y Y
246 | Multi Leg Floor Trade of Proprietary Products | Y Y Y
247 | Multilateral Compression Trade of Proprietary Products | N N Y
248 | Extended Hours Trade | N N Y
"""

_CRYPTO = """
0 | No side | Y Y Y
1 | Sell side | Y Y Y
2 | Buy side | Y Y Y
"""

_TABLES = {"stocks": _STOCKS, "options": _OPTIONS, "crypto": _CRYPTO, "futures": ""}

EXTENDED_HOURS_TRADES = {"stocks": 12, "options": 248}
"""The conditions that forbid nothing outside the regular session."""

CANCELLATIONS = frozenset({"201", "203", "205", "207"})
"""OPRA's messages that take back a trade which was reported before."""

# code | meaning | whether the record is of a trade that stands
_CORRECTIONS = """
0 | Regular trade, not corrected and not cancelled | Y
1 | Original trade that was corrected later: with its original time and the corrected data | Y
7 | Original trade that was later marked as erroneous | N
8 | Original trade that was later cancelled | N
10 | Record of a cancellation, which follows an 8 | N
11 | Record of an error, which follows a 7 | N
12 | Record of a correction, which follows a 1: with the original, wrong data | N
"""


def trade_conditions(market: str = "stocks") -> pl.DataFrame:
    """What a trade with each sale condition updates in a bar of all exchanges together.

    Parameters
    ----------
    market
        ``"stocks"``, ``"options"``, ``"crypto"`` or ``"futures"`` (which has no conditions).

    Returns
    -------
    polars.DataFrame
        ``id`` (Int64, the vendor's), ``name``, and the booleans ``updates_open_close``,
        ``updates_high_low`` and ``updates_volume``. Change it and hand it to `bars` for other
        rules. The module's docstring has the sources.

    Raises
    ------
    ValueError
        If the market has no trades.
    """
    import polars as pl

    if market not in _TABLES:
        raise ValueError(f"market={market!r} has no trades; choose from {', '.join(_TABLES)}")
    rows = [[cell.strip() for cell in line.split("|")] for line in _lines(_TABLES[market])]
    flags = [[flag == "Y" for flag in row[2].split()] for row in rows]
    return pl.DataFrame(
        {
            "id": pl.Series([int(row[0]) for row in rows], dtype=pl.Int64),
            "name": pl.Series([row[1] for row in rows], dtype=pl.String),
            "updates_open_close": pl.Series([flag[0] for flag in flags], dtype=pl.Boolean),
            "updates_high_low": pl.Series([flag[1] for flag in flags], dtype=pl.Boolean),
            "updates_volume": pl.Series([flag[2] for flag in flags], dtype=pl.Boolean),
        }
    )


def trade_corrections() -> pl.DataFrame:
    """The codes of the column ``correction``, and whether a record with one is a trade.

    They are those of the NYSE's TAQ files (Daily TAQ client specification, "Trade Correction
    Indicator"), which the vendor's glossary of trade corrections repeats.

    Returns
    -------
    polars.DataFrame
        ``code`` (Int64), ``meaning`` and ``stands`` (a boolean).
    """
    import polars as pl

    rows = [[cell.strip() for cell in line.split("|")] for line in _lines(_CORRECTIONS)]
    return pl.DataFrame(
        {
            "code": [int(row[0]) for row in rows],
            "meaning": [row[1] for row in rows],
            "stands": [row[2] == "Y" for row in rows],
        }
    )


def _lines(table: str) -> list[str]:
    return table.strip().splitlines() if table.strip() else []

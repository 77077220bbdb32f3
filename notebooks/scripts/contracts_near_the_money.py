"""Which contracts are near the stock's price? Chosen while reading, by the last daily close."""

from flatnb import FlatSession, with_option_fields

DAY = "2024-01-03"

with FlatSession.demo() as session:
    spot = session.load("stocks_daily", DAY, DAY, symbols="SPY")["close"].item()
    contracts = session.load(
        "options_daily",
        DAY,
        DAY,
        underlyings="SPY",
        strike=(0.98 * spot, 1.02 * spot),
        expiry=(DAY, "2024-02-29"),
    )

fields = with_option_fields(contracts)

print(f"SPY closed at {spot:.2f}")
print(fields.select("ticker", "expiry", "strike", "option_type", "close", "volume"))
assert fields["strike"].is_between(0.98 * spot, 1.02 * spot).all()

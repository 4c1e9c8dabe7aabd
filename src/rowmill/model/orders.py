"""Made-up orders in the look of the public sample.

Row i is a pure function of the seed and i, so that any range can be made alone.
"""

from __future__ import annotations

import hashlib
import struct
from datetime import date, timedelta
from math import gcd
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = (
    "Region,Country,Item Type,Sales Channel,Order Priority,Order Date,Order ID,Ship Date,"
    "Units Sold,Unit Price,Unit Cost,Total Revenue,Total Cost,Total Profit\n"
)
MAX_ROWS = 10**9  # order ids have nine digits and are all different

# Some names end in a blank: so they do in the sample, and values survive byte for byte.
COUNTRIES = {
    "Asia": (
        "Bangladesh,Bhutan,Brunei,Cambodia,China,India,Indonesia,Japan,Kazakhstan,Malaysia,Mongolia,Myanmar,Nepal,"
        "Singapore,South Korea,Sri Lanka,Taiwan,Thailand,Turkmenistan,Uzbekistan,Vietnam"
    ),
    "Australia and Oceania": (
        "East Timor,Kiribati,Marshall Islands,New Zealand,Papua New Guinea,Samoa ,Solomon Islands,Tonga,Tuvalu,Vanuatu"
    ),
    "Central America and the Caribbean": (
        "Antigua and Barbuda ,Belize,Costa Rica,Dominica,Dominican Republic,El Salvador,Grenada,Haiti,Nicaragua,"
        "Saint Kitts and Nevis ,Saint Lucia,The Bahamas,Trinidad and Tobago"
    ),
    "Europe": (
        "Albania,Andorra,Armenia,Belgium,Bulgaria,Croatia,Czech Republic,Denmark,Estonia,Finland,France,Georgia,Greece,"
        "Hungary,Iceland,Italy,Latvia,Luxembourg,Moldova ,Monaco,Montenegro,Netherlands,Portugal,Romania,Serbia,"
        "Slovakia,Sweden,Switzerland,United Kingdom"
    ),
    "Middle East and North Africa": (
        "Algeria,Bahrain,Egypt,Iraq,Israel,Jordan,Kuwait,Lebanon,Morocco,Oman,Pakistan,Saudi Arabia,Somalia,Syria,"
        "Tunisia ,Turkey,United Arab Emirates,Yemen"
    ),
    "North America": "Canada,Greenland,United States of America",
    "Sub-Saharan Africa": (
        "Burundi,Cameroon,Cape Verde,Central African Republic,Comoros,Democratic Republic of the Congo,Djibouti,"
        "Equatorial Guinea,Ethiopia,Gabon,Ghana,Guinea-Bissau,Kenya,Liberia,Madagascar,Malawi,Mali,Mauritius ,Niger,"
        "Rwanda,Sao Tome and Principe,Seychelles ,Sierra Leone,South Africa,Sudan,Tanzania,The Gambia,Togo,Uganda,"
        "Zambia,Zimbabwe"
    ),
}
ITEMS = (  # price and cost in cents
    ("Baby Food", 25528, 15942),
    ("Beverages", 4745, 3179),
    ("Cereal", 20570, 11711),
    ("Clothes", 10928, 3584),
    ("Cosmetics", 43720, 26333),
    ("Fruits", 933, 692),
    ("Household", 66827, 50254),
    ("Meat", 42189, 36469),
    ("Office Supplies", 65121, 52496),
    ("Personal Care", 8173, 5667),
    ("Snacks", 15258, 9744),
    ("Vegetables", 15406, 9093),
)
CHANNELS = ("Offline", "Online")
PRIORITIES = ("C", "H", "L", "M")
FIRST_DAY, LAST_DAY = date(2010, 1, 1), date(2017, 7, 28)
MAX_UNITS = 10_000
SHIPPING_DAYS = 51  # from the same day to 50 days later


class Item(NamedTuple):
    """What a row says of its item.

    Attributes:
        name: Item type.
        price, cost: Of one unit, in cents.
        text: Both as the row shows them.
    """

    name: str
    price: int
    cost: int
    text: str


def money(cents: int) -> str:
    """Return cents as the sample writes money: exact, two decimals."""
    return f"{cents // 100}.{cents % 100:02d}"


PLACES = tuple(f"{region},{country}" for region, countries in COUNTRIES.items() for country in countries.split(","))
GOODS = tuple(Item(name, price, cost, f"{money(price)},{money(cost)}") for name, price, cost in ITEMS)
SALES = tuple(f"{channel},{priority}" for channel in CHANNELS for priority in PRIORITIES)
CENTS = tuple(f".{cents:02d}" for cents in range(100))
ORDER_DAYS = (LAST_DAY - FIRST_DAY).days + 1
DATES = tuple(
    f"{day.month}/{day.day}/{day.year}"
    for day in (FIRST_DAY + timedelta(days=days) for days in range(ORDER_DAYS + SHIPPING_DAYS - 1))
)
DRAWS = struct.Struct("<HHHHHH")  # place, item, channel and priority, order day, days of shipping, units
TOGETHER = hashlib.blake2b.MAX_DIGEST_SIZE // DRAWS.size  # rows that share the dice of one digest


def row_maker(seed: int) -> Callable[[int, int], str]:
    """Return what makes the rows [low, high) as CSV.

    Cost: about 2.5 us a row.
    """
    dice = hashlib.blake2b(f"{seed}/".encode(), digest_size=TOGETHER * DRAWS.size)
    step, first = id_sequence(seed)
    cents, places, n_places, goods, n_goods = CENTS, PLACES, len(PLACES), GOODS, len(GOODS)

    def rows(low: int, high: int) -> str:
        made: list[str] = []
        begin = low // TOGETHER * TOGETHER
        for i in range(begin, high, TOGETHER):
            thrown = dice.copy()
            thrown.update(b"%d" % i)
            order_id = i * step + first
            for place, item, sale, day, shipping, units in DRAWS.iter_unpack(thrown.digest()):
                name, price, cost, text = goods[item % n_goods]
                day %= ORDER_DAYS  # noqa: PLW2901 - a name more costs time here
                units = units % MAX_UNITS + 1  # noqa: PLW2901
                revenue, costs = units * price, units * cost
                profit = revenue - costs
                made.append(
                    f"{places[place % n_places]},{name},{SALES[sale & 7]},{DATES[day]},{order_id % MAX_ROWS:09d},"
                    f"{DATES[day + shipping % SHIPPING_DAYS]},{units},{text},{revenue // 100}{cents[revenue % 100]},"
                    f"{costs // 100}{cents[costs % 100]},{profit // 100}{cents[profit % 100]}\n"
                )
                order_id += step
        return "".join(made[low - begin : high - begin])

    return rows


def id_sequence(seed: int) -> tuple[int, int]:
    """Return step and start of the order ids: without a factor of 2 or 5, a step visits each of a billion ids once."""
    dice = hashlib.blake2b(f"{seed}".encode(), digest_size=16).digest()
    step = int.from_bytes(dice[:8], "little") % MAX_ROWS | 1
    while gcd(step, 10) != 1:
        step += 2
    return step, int.from_bytes(dice[8:], "little") % MAX_ROWS

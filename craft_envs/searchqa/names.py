"""Invented names for the generated world, each given out once."""

from __future__ import annotations

from typing import Final

from craft_envs.draw import Draw

_FIRST: Final = (
    "Bal Bar Bel Ber Bran Cal Car Cor Cul Dal Dar Del Dor Dun El Fal Far Fen Gal Gar Gel Gol Hal Har Hel "
    "Hor Jor Kal Kar Kel Kor Lan Lar Lor Mal Mar Mel Mor Nal Nar Nor Oll Or Os Pal Par Pel Por Ral Ras "
    "Rel Ros Sal Sar Sel Sor Tal Tar Tel Tor Ul Val Var Ver Vol Wal Wen Wil Wor Yar Zel"
).split()
_MIDDLE: Final = "a an ar e en er i il in o ol on or u und".split()
_LAST: Final = (
    "bach beck bran by dale den dor drin fell field ford gard grave ham holt horn ick kel ken land lick "
    "lin lo mar meer mont moor nach nell nick now past quist rath reth rick rund sen shaw sted sund tal "
    "ten thal ton vane veld vik wald wick win yard"
).split()

FEMALE: Final = (
    "Adela Agnes Alma Anja Astrid Beata Berit Carla Celia Clara Dagny Dina Edda Elin Elsa Emma Erna Freya "
    "Gerda Greta Hanna Hedda Helga Ida Ilse Inga Irma Jana Johanna Karin Klara Lena Linda Lotte Lucia "
    "Magda Maren Marta Mina Nadia Nora Olga Paula Petra Rita Rosa Ruth Sanna Selma Sigrid Sofia Tessa "
    "Thea Tilda Ulla Vera Wanda Wilma Yrsa Zora"
).split()
MALE: Final = (
    "Aaron Albin Anton Arno Axel Benno Bjorn Boris Bruno Casper Conrad Dirk Edgar Egon Emil Erik Ernst "
    "Felix Filip Georg Gustav Hans Harald Henrik Hugo Ivan Ivo Jakob Jens Joran Josef Julius Karl Klaus "
    "Lars Leo Levin Ludo Magnus Marek Milo Nils Oskar Otto Pavel Piet Ralf Rolf Rune Simon Stefan Sven "
    "Theo Tobias Ulrik Viktor Walter Werner Xaver Yorick"
).split()
_SMALL_STRIDE: Final = 2

_ADJECTIVES: Final = (
    "Amber Ancient Ashen Bitter Blind Borrowed Brass Broken Burning Copper Crooked Crystal Dark Distant "
    "Drowned Empty Fading Fallen Forgotten Frozen Gentle Gilded Glass Golden Grey Hidden Hollow Honest "
    "Idle Iron Ivory Last Lonely Long Lost Marble Narrow Open Painted Pale Patient Quiet Red Restless "
    "Sable Scarlet Secret Silent Silver Sleeping Stolen Stone Sunken Tender Velvet Wandering White Winter "
    "Wooden Yellow"
).split()
_NOUNS: Final = (
    "Anchor Archive Balcony Basket Bell Bridge Candle Canal Carriage Castle Cellar Chapel Circle Clock "
    "Corridor Court Crown Curtain Door Falcon Feather Ferry Field Fountain Gallery Garden Gate Ghost "
    "Harbour Harvest Heron Hill Horse House Island Journey Key Ladder Lake Lantern Letter Lighthouse Map "
    "Meadow Mill Mirror Mountain Needle Orchard Oven Pilgrim Quarry Rain River Road Rose Sail Shadow "
    "Shepherd Ship Shore Sister Sparrow Spring Stair Star Station Storm Tailor Tower Train Valley Violin "
    "Voyage Wall Watchman Well Widow Window Wolf"
).split()
_GOODS: Final = (
    "Ash Bread Chalk Clay Dust Fire Gold Honey Linen Oak Paper Salt Sand Silk Smoke Snow Thorn".split()
)


class Names:
    """Draws names for one whole data set; no name of a kind comes twice, whatever land it is for.

    Example: ``Names("full").stem(draw)`` might give ``Kelandale``.
    """

    def __init__(self, size: str) -> None:
        """``small``: words of two syllables, half of the given names: a small tokenizer learns them."""
        self._small = size == "small"
        self._used: set[str] = set()

    def stem(self, draw: Draw) -> str:
        """An invented word for a place, a family, an organisation."""
        while True:
            if self._small:
                word = draw.pick(_FIRST) + draw.pick(_LAST)
            else:
                middle = draw.pick(_MIDDLE) if draw.chance(55) else ""
                word = draw.pick(_FIRST) + middle + draw.pick(_LAST)
            if self._free(word):
                return word

    def given(self, draw: Draw, female: bool) -> str:
        """A given name; these repeat, as they do everywhere."""
        pool = FEMALE if female else MALE
        return draw.pick(pool[::_SMALL_STRIDE] if self._small else pool)

    def full(self, draw: Draw, female: bool, family: str) -> tuple[str, str]:
        """Short and full form of a new person's name: ``Maren Toll``, ``Maren Ilse Toll``."""
        while True:
            first = self.given(draw, female)
            short = f"{first} {family}"
            if self._free(short):
                return short, short if self._small else self.longer(draw, female, short)

    def longer(self, draw: Draw, female: bool, short: str) -> str:
        """The short form with a new middle name in it."""
        first, _, family = short.partition(" ")
        while True:
            middle = self.given(draw, female)
            if middle != first and self._free(f"{first} {middle} {family}"):
                return f"{first} {middle} {family}"

    def title(self, draw: Draw) -> str:
        """The title of a work."""
        while True:
            if self._small or draw.chance(60):
                words = f"The {draw.pick(_ADJECTIVES)} {draw.pick(_NOUNS)}"
            elif draw.chance(50):
                words = f"{draw.pick(_NOUNS)} of {draw.pick(_GOODS)}"
            else:
                first, second = draw.shuffled(_NOUNS)[:2]
                words = f"The {first} and the {second}"
            if self._free(words):
                return words

    def _free(self, word: str) -> bool:
        key = word.lower()
        if key in self._used:
            return False
        self._used.add(key)
        return True

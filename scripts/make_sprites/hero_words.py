"""The caption of a hero, out of the parts that can be seen."""

from .hero_looks import Look

AN = ("orange", "indigo", "iron")
CLOSED = ("greathelm", "mask", "hood")

HAT_WORDS = {
    "helmet": "{metal} helmet",
    "greathelm": "closed {metal} helmet",
    "hood": "{hat} hood",
    "pointed": "pointed {hat} hat",
    "crown": "{hat} crown",
    "cap": "{hat} cap",
    "horns": "horned {metal} helmet",
    "band": "{trim} headband",
    "feather": "{hat} hat with {article} {trim} feather",
    "mask": "{hat} mask",
}

HAIR_WORDS = {
    "spiky": "spiky {hair} hair",
    "long": "long {hair} hair",
    "curly": "curly {hair} hair",
    "bun": "{hair} hair in a bun",
    "ponytail": "{hair} hair in a ponytail",
    "pigtails": "{hair} pigtails",
    "mohawk": "a {hair} mohawk",
    "bald": "a bald head",
}

BODY_WORDS = {
    "tunic": "{cloth} tunic",
    "striped": "{cloth} and {trim} striped tunic",
    "cross": "{cloth} tunic with {article} {trim} cross",
    "vest": "{cloth} vest",
    "armour": "{metal} armour",
    "robe": "{cloth} robe",
    "dress": "{cloth} dress",
}

ITEM_WORDS = {"thrust": "sword", "slash": "sword", "shield": "{trim} shield"}


def article(words: str) -> str:
    """The words behind "a" or "an"."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def describe(look: Look) -> str:
    """The caption: the parts that can be seen, with the names of their colours."""
    names = look.names | {"article": "an" if look.names["trim"] in AN else "a"}
    words = []
    if look.hat:
        words.append(article(HAT_WORDS[look.hat].format(**names)))
    if look.hat in (None, "crown", "band") or (look.hair == "long" and look.hat not in CLOSED):
        words.append(HAIR_WORDS.get(look.hair, "{hair} hair").format(**names))
    if look.beard:
        words.append(article(f"{names['hair']} beard"))
    body = BODY_WORDS[look.body].format(**names)
    words.append(body if look.body == "armour" else article(body))
    if look.cape:
        words.append(article(f"{names['cape']} cape"))
    if look.item:
        words.append(article(ITEM_WORDS.get(look.item, look.item).format(**names)))
    if look.shield:
        words.append(article(f"{names['trim']} shield"))
    return "hero with " + ", ".join(words[:-1]) + " and " + words[-1]

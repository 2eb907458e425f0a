"""What the model card of text_to_sprite says of its scores, made of the stored results."""

from helpers.evaluation import Score, markdown_table
from scripts.cards import verdict

SHARES = {
    "class_right": "class right ↑",
    "colour_right": "main colour right ↑",
    "property_right": "single properties right ↑",
    "all_right": "class and all properties right ↑",
}


def show(row: dict, key: str) -> str:
    """A score with its interval: a share in per cent, or a distance."""
    return format(Score(**row[key]), ".3g" if key.startswith("frechet") else ".1%") if key in row else "–"


def main_table(result: dict) -> str:
    """The held-out captions, beside what the judge says of real sprites and of the VAE's reconstructions."""
    columns = [result["held_out"], result["vae"], result["real_sprites"]]
    rows = [[name, *(show(column, key) for column in columns)] for key, name in SHARES.items()]
    rows.append(["Fréchet distance ↓", *(show(column, "frechet_distance") for column in columns)])
    count = result["held_out"]["class_right"]["num_samples"]
    return markdown_table([f"{count:,} held-out captions", "drawn", "real, through the VAE", "real"], rows)


def guidance_table(rows: list[dict]) -> str:
    """The same shares by guidance scale, for other captions."""
    keys = [*SHARES, "frechet_distance"]
    table = [[f"{row['guidance_scale']:g}", *(show(row, key) for key in keys)] for row in rows]
    return markdown_table(["guidance_scale", *SHARES.values(), "Fréchet distance ↓"], table)


def parts_table(rows: list[dict]) -> str:
    """Prompts that name one, two and three parts."""
    table = [
        [row["parts"], row["example"], show(row, "all_right"), show(row["real"], "all_right")] for row in rows
    ]
    return markdown_table(["parts named", "for example", "all right", "real sprites"], table)


def unseen_table(result: dict) -> str:
    """Combinations never seen in training, and the same captions with one that was seen."""
    keys = {"combination_right": "that property right ↑"} | SHARES
    unseen, seen, real = (
        result["unseen"]["unseen"],
        result["unseen"]["seen"],
        result["real_sprites"]["unseen"],
    )
    table = [[name, *(show(row, key) for row in (unseen, seen, real))] for key, name in keys.items()]
    count = unseen["class_right"]["num_samples"]
    return markdown_table(
        [f"{count:,} captions", "unseen", "the same with a seen one", "real, unseen"], table
    )


def aims_text(result: dict) -> str:
    """Say what was aimed at and what was missed, by how much."""
    drawn, real, vae = result["held_out"], result["real_sprites"], result["vae"]
    limit = 3 * real["frechet_distance"]["value"] + vae["frechet_distance"]["value"]
    aims = [
        ("class right", "class_right", 0.95, ".0%"),
        ("main colour right", "colour_right", 0.8, ".0%"),
        ("class and all properties right", "all_right", 0.5, ".0%"),
        ("Fréchet distance", "frechet_distance", limit, ".2f"),
    ]
    lines = []
    for name, key, aim, spec in aims:
        value, at_most = drawn[key]["value"], key.startswith("frechet")
        word = "at most" if at_most else "at least"
        gap = f" by {value - aim:.2f}" if at_most else f" by {100 * (aim - value):.1f} points"
        judged = verdict(value, aim, at_most)
        lines.append(f"{name} {word} {aim:{spec}}: {judged}{gap if 'missed' in judged else ''}")
    return f"Aims: {'; '.join(lines)} (three times the floor of real ones, plus the VAE's own)."


def latents_table(result: dict) -> str:
    """The same channels on latents and on pixels."""
    rows = [
        [row["way"], row["size"], f"{row['gflop']:.3f}", f"{row['images']:,}", f"{row['seconds']:,.0f}",
         show(row, "frechet_distance"), f"{row['seconds_per_image']:.3f}"]
        for row in result["rows"]
    ]  # fmt: skip
    head = ["UNet on", "size", "GFLOP a pass", "images in training", "seconds of it", "Fréchet distance ↓"]
    return markdown_table([*head, "seconds to draw one"], rows)


def card_text(result: dict) -> str:
    """Make the model card's section of scores."""
    command = f"Measured by `{result['command']}`; {result['num_inference_steps']} steps, guidance_scale="
    text = [
        main_table(result),
        f"{command}{result['guidance_scale']:g}, chosen with other captions; brackets hold 95 % intervals.",
        aims_text(result),
        "By guidance scale, other held-out captions:",
        guidance_table(result["guidance"]),
        "Short prompts, made of held-out captions by leaving parts out:",
        parts_table(result["parts"]),
        "Combinations that the UNet has never seen, though it knows their parts:",
        unseen_table(result),
    ]
    if result.get("latents_or_pixels", {}).get("rows"):
        text += ["The same UNet on latents and on pixels, trained a little:"]
        text += [latents_table(result["latents_or_pixels"])]
    return "\n\n".join(text)

"""Makes up short messages to a help desk, each with the team that it is for: `python data.py FOLDER`.

One line a message: team, channel, sentence, between tabs. 2,000 of them, every fifth for validation, and one in
twenty is filed under the wrong team, as people do. Put your own messages in their place.
"""

import random
import sys
from pathlib import Path

MESSAGES = 2000
OPENINGS = {"mail": ("Good morning,", "Dear colleagues,", "Hello all,"), "chat": ("hi", "quick one:", "hey,")}
SENTENCES = {
    "billing": (
        "{who} was charged twice for {what}",
        "the invoice for {what} is wrong",
        "please refund {what} to {who}",
    ),
    "access": ("{who} cannot sign in to {what}", "the password for {what} expired", "{who} needs a role in {what}"),
    "outage": (
        "{what} does not answer for {who}",
        "{what} is down since noon",
        "{who} sees errors on every page of {what}",
    ),
}
WHO = ("my team", "a customer", "the new colleague", "our partner", "the office in Oslo")
WHAT = ("the portal", "the warehouse tool", "the June order", "the report server", "the phone system")


def main(folder: Path) -> None:
    """Write `train/messages.tsv` and `validation/messages.tsv` below `folder`."""
    chance = random.Random(7)  # noqa: S311 - the same messages each time
    lines: list[str] = []
    for _ in range(MESSAGES):
        team, channel = chance.choice(list(SENTENCES)), chance.choice(list(OPENINGS))
        sentence = chance.choice(SENTENCES[team]).format(who=chance.choice(WHO), what=chance.choice(WHAT))
        filed = chance.choice(list(SENTENCES)) if chance.random() < 0.05 else team
        lines.append(f"{filed}\t{channel}\t{chance.choice(OPENINGS[channel])} {sentence}")
    channels = {"validation": lines[::5], "train": [line for at, line in enumerate(lines) if at % 5]}
    for channel, content in channels.items():
        (folder / channel).mkdir(parents=True, exist_ok=True)
        (folder / channel / "messages.tsv").write_text("\n".join(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

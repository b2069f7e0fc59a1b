"""Makes `bookings.arpa` and `bookings.dict`: what callers say to a restaurant's phone agent.

Sentences are drawn from the templates below and counted into a trigram model; the dictionary is
the part of CMUdict that these words need. Run it after a change of the templates:

    python -m pulse_plugins.local.models.make_bookings
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import pocketsphinx
from pocketsphinx.lm import ArpaBoLM

SENTENCES = 12_000
SEED = 7

_TENS = ("twenty", "thirty", "forty", "fifty")
_UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

_OPTIONAL = re.compile(r"\[([^][]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")

# A slot in braces draws one of its lines; a part in brackets is said every second time.
SLOTS: dict[str, list[str]] = {
    "sentence": [
        *["{book}"] * 6,
        *["{details}"] * 6,
        *["{phone}"] * 4,
        *["{who}"] * 3,
        *["{answer}"] * 5,
        *["{correct}"] * 4,
        *["{change}"] * 4,
        *["{human}"] * 2,
        *["{ask}"] * 3,
        *["{wish}"] * 2,
        *["{bye}"] * 2,
        "{greeting}",
    ],
    "book": [
        "[{greeting}] {want} {table} [{details}] [please]",
        "[{greeting}] {want} {table} [{details}] [please]",
        "[{greeting}] {can} {table} [{details}] [please]",
        "[{greeting}] do you have {table} [{details}]",
        "[{greeting}] {table} [{details}] please",
        "[{greeting}] i am calling to {get} {table} [{details}]",
    ],
    "greeting": ["hello", "hello there", "hi", "hi there", "good {daypart}", "hey"],
    "daypart": ["morning", "afternoon", "evening"],
    "want": [
        "i would like to {get}",
        "i would like",
        "i'd like to {get}",
        "i'd like",
        "i want to {get}",
        "i need to {get}",
        "i need",
        "we would like to {get}",
        "we'd like to {get}",
        "i was hoping to {get}",
        "i am looking for",
    ],
    "can": ["can i {get}", "could i {get}", "may i {get}", "can we {get}", "could we {get}"],
    "get": ["book", "reserve", "make", "get", "have"],
    "table": [
        "a table",
        "a table",
        "a table for {party}",
        "a table for {party}",
        "a table for {party}",
        "a reservation",
        "a reservation for {party}",
        "a booking",
        "a booking for {party}",
        "dinner for {party}",
        "lunch for {party}",
    ],
    "party": [
        "{size}",
        "{size}",
        "{size} people",
        "{size} people",
        "{size} persons",
        "{size} of us",
        "{size} adults",
        "{size} adults and {few} children",
        "a party of {size}",
        "me and my {relative}",
        "just me",
        "one person",
    ],
    "size": ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve"],
    "few": ["two", "three", "four"],
    "relative": ["wife", "husband", "family", "friend", "mother", "father", "partner"],
    "details": [
        "{when}",
        "{when}",
        "{when} {clock}",
        "{when} {clock}",
        "{clock} {when}",
        "{clock}",
        "for {party}",
        "for {party} {when}",
        "for {party} {clock}",
        "for {party} {when} {clock}",
        "for {party} please",
        "{when} please",
        "{clock} please",
    ],
    "when": [
        "on {day}",
        "on {day}",
        "on {day} {daypart}",
        "on {day} night",
        "for {day}",
        "for {day} {daypart}",
        "next {day}",
        "this {day}",
        "this {daypart}",
        "today",
        "tonight",
        "tomorrow",
        "tomorrow {daypart}",
        "tomorrow night",
        "for tonight",
        "for tomorrow",
        "for tomorrow night",
        "on {day} the {ordinal}",
        "on the {ordinal}",
        "on {month} {ordinal}",
        "on the {ordinal} of {month}",
        "next week",
        "on the weekend",
        "the day after tomorrow",
    ],
    "day": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
    "month": [
        *("january", "february", "march", "april", "may", "june", "july", "august"),
        *("september", "october", "november", "december"),
    ],
    "ordinal": [
        *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
        *("tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth"),
        *("seventeenth", "eighteenth", "nineteenth", "twentieth", "thirtieth"),
        *("twenty first", "twenty second", "twenty third", "twenty fourth", "twenty fifth"),
        *("twenty sixth", "twenty seventh", "twenty eighth", "twenty ninth", "thirty first"),
    ],
    "clock": ["at {time}", "at {time}", "at {time}", "around {time}", "about {time}", "for {time}"],
    "time": [
        "{hour}",
        "{hour}",
        "{hour} {minutes}",
        "{hour} {minutes}",
        "{hour} o'clock",
        "{hour} o'clock in the {daypart}",
        "{hour} in the {daypart}",
        "{hour} {minutes} in the {daypart}",
        "{hour} p m",
        "{hour} {minutes} p m",
        "half past {hour}",
        "quarter past {hour}",
        "a quarter to {hour}",
        "noon",
    ],
    "hour": [
        *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
        *("eleven", "twelve"),
    ],
    "minutes": ["thirty", "thirty", "fifteen", "forty five", "{tens}", "twenty", "ten"],
    "tens": [*_TENS, *(f"{ten} {unit}" for ten in _TENS for unit in _UNITS if unit == "five")],
    "who": [
        "my name is {name}",
        "my name is {name}",
        "the name is {name}",
        "this is {name}",
        "it is {name}",
        "it's {name}",
        "{name}",
        "under the name {name}",
        "the reservation is under {name}",
        "the last name is {last}",
        "i am {name}",
        "{name} please",
    ],
    "name": ["{first} {last}", "{first} {last}", "{first}", "{last}"],
    "first": [
        *("james", "mary", "robert", "patricia", "john", "jennifer", "michael", "linda"),
        *("david", "elizabeth", "william", "barbara", "richard", "susan", "joseph", "jessica"),
        *("thomas", "sarah", "daniel", "karen", "matthew", "lisa", "anthony", "nancy", "mark"),
        *("sandra", "paul", "emily", "steven", "anna", "andrew", "laura", "kevin", "maria"),
        *("peter", "julia", "george", "helen", "frank", "alice"),
    ],
    "last": [
        *("smith", "johnson", "williams", "brown", "jones", "garcia", "miller", "davis"),
        *("rodriguez", "martinez", "wilson", "anderson", "taylor", "moore", "jackson"),
        *("martin", "lee", "thompson", "white", "harris", "clark", "lewis", "robinson"),
        *("walker", "young", "allen", "king", "wright", "scott", "green", "baker", "adams"),
        *("nelson", "hill", "campbell", "mitchell", "roberts", "carter", "phillips", "evans"),
        *("turner", "parker", "collins", "edwards", "stewart", "morris", "murphy", "cook"),
    ],
    "phone": [
        "[my] [phone] number is {digits}",
        "my phone number is {digits}",
        "my number is {digits}",
        "it is {digits}",
        "it's {digits}",
        "you can reach me at {digits}",
        "you can call me at {digits}",
        "call me back at {digits}",
        "{digits}",
        "{digits}",
    ],
    "digits": [
        "{d} {d} {d} {d}",
        "{d} {d} {d} {d} {d} {d} {d}",
        "{d} {d} {d} {d} {d} {d} {d}",
        "{d} {d} {d} {d} {d} {d} {d} {d} {d} {d}",
        "five five five {d} {d} {d} {d}",
        "{d} {d} {d} double {d} {d} {d}",
    ],
    "d": ["zero", "oh", *_UNITS],
    "answer": [
        "yes",
        "yes please",
        "yes {ok}",
        "yes {ok} thank you",
        "yes it is",
        "yes that works",
        "yes that works for me",
        "yes we do",
        "yeah",
        "sure",
        "okay",
        "okay {ok}",
        "{ok}",
        "that works",
        "no",
        "no thank you",
        "no thanks",
        "no that's all",
        "no that is all thank you",
        "that's all",
        "that is all for now",
        "nothing else",
        "i don't know",
        "i am not sure",
        "maybe",
    ],
    "ok": [
        "that is correct",
        "that's correct",
        "that is right",
        "that's right",
        "that's fine",
        "that is fine",
        "that is perfect",
        "that sounds good",
        "perfect",
        "great",
    ],
    "correct": [
        "no {wrong}",
        "{wrong}",
        "no i said {said}",
        "i said {said}",
        "sorry i said {said}",
        "sorry i meant {said}",
        "i mean {said}",
        "actually {said} [please]",
        "actually make it {said} [please]",
        "no make it {said} [please]",
        "not {size} {size}",
        "no not {day} {day}",
        "sorry not {size} but {size}",
        "wait make that {said}",
        "let me correct that it is {said}",
        "can you repeat that [please]",
        "could you say that again [please]",
        "sorry can you repeat the {fact}",
    ],
    "wrong": [
        "that is wrong",
        "that's wrong",
        "that is not right",
        "that's not right",
        "that is not correct",
        "that's not what i said",
    ],
    "said": ["{party}", "{day}", "{time}", "{digits}", "{name}", "{size} people", "{when}"],
    "fact": ["time", "number", "date", "name", "last part"],
    "change": [
        "[{greeting}] i have {existing} [{details}]",
        "[{greeting}] i have {existing} [{details}] under the name {last}",
        "[{greeting}] {want_to} {alter} my {thing}",
        "[{greeting}] {want_to} {alter} my {thing} to {new}",
        "[{greeting}] {want_to} cancel my {thing} [{details}]",
        "please {alter} it to {new}",
        "can you {alter} it to {new} [please]",
        "could you move it to {new} [please]",
        "can we make it {new} instead",
        "we will be {size} people [instead]",
        "there will be {size} of us",
        "please cancel my {thing}",
    ],
    "existing": ["a reservation", "a table", "a booking", "a reservation for {party}"],
    "want_to": ["i would like to", "i'd like to", "i want to", "i need to", "can i", "could i"],
    "alter": ["change", "move"],
    "thing": ["reservation", "booking", "table"],
    "new": [
        "{size} people",
        "{size} people at {time}",
        "{time}",
        "{time}",
        "{day}",
        "{day} at {time}",
        "{day} {daypart}",
        "tomorrow",
        "tomorrow at {time}",
    ],
    "human": [
        "{want_to} {speak} to {person} [please]",
        "{want_to} {speak} with {person} [please]",
        "can i {speak} to {person} [please]",
        "let me {speak} to {person} [please]",
        "please {connect} me to {person}",
        "can you {connect} me to {person} [please]",
        "{person} please",
        "operator",
    ],
    "speak": ["speak", "talk"],
    "connect": ["connect", "transfer", "put"],
    "person": [
        "a human",
        "a person",
        "a real person",
        "someone",
        "somebody",
        "an agent",
        "the manager",
        "an operator",
    ],
    "ask": [
        "do you have {feature}",
        "is there {feature}",
        "what time do you {open}",
        "when do you {open}",
        "are you open on {day}",
        "are you open {when}",
        "what is your address",
        "where are you",
        "do you have anything {when}",
        "do you have anything at {time}",
        "is {time} possible",
        "what about {time}",
        "how about {day}",
        "what times do you have",
        "how long will it take",
    ],
    "feature": [
        "parking",
        "a high chair",
        "vegetarian food",
        "a vegetarian menu",
        "outdoor seating",
        "a children's menu",
        "gluten free food",
    ],
    "open": ["open", "close"],
    "wish": [
        "by the window [please]",
        "a table by the window [please]",
        "we would like to sit {where} [please]",
        "can we sit {where}",
        "{where} please",
        "we need a high chair [please]",
        "we have a baby",
        "it is a birthday",
        "one of us is vegetarian",
        "i am allergic to {food}",
        "my {relative} is allergic to {food}",
    ],
    "where": ["outside", "inside", "by the window", "in the garden"],
    "food": ["nuts", "peanuts", "fish", "milk", "eggs"],
    "bye": [
        "thank you",
        "thanks",
        "thank you very much",
        "thank you so much",
        "thank you goodbye",
        "thanks a lot",
        "goodbye",
        "bye",
        "bye bye",
        "see you {when}",
        "have a nice day",
    ],
}


def draw(template: str, rng: random.Random) -> str:
    """One sentence of a template, with its slots and optional parts decided by `rng`."""
    while "[" in template or "{" in template:
        template = _OPTIONAL.sub(lambda m: m[1] if rng.random() < 0.5 else "", template)
        template = _SLOT.sub(lambda m: rng.choice(SLOTS[m[1]]), template)
    return " ".join(template.split())


def sentences(count: int = SENTENCES, seed: int = SEED) -> list[str]:
    """That many sentences; the same for the same seed."""
    rng = random.Random(seed)
    return [draw("{sentence}", rng) for _ in range(count)]


def write(folder: Path) -> None:
    """Write `bookings.arpa` and `bookings.dict` into the folder."""
    corpus = sentences()
    # With sentence marks, or the decoder does not start; some of the mass is left for what was
    # not drawn.
    model = ArpaBoLM(
        text="".join(f"{sentence}\n" for sentence in corpus), add_start=True, discount_mass=0.3
    )
    model.compute()
    model.write_file(str(folder / "bookings.arpa"))
    words = {word for sentence in corpus for word in sentence.split()}
    lines = []
    whole = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
    for line in whole.read_text().splitlines(keepends=True):
        word = line.split(maxsplit=1)[0]
        if re.sub(r"\(\d+\)$", "", word) in words:
            lines.append(line)
    missing = words - {line.split(maxsplit=1)[0] for line in lines}
    if missing:
        raise SystemExit(f"no pronunciation for: {', '.join(sorted(missing))}")
    (folder / "bookings.dict").write_text("".join(lines))


if __name__ == "__main__":
    write(Path(__file__).parent)

"""Small lists for the redaction of names and addresses, in lower case.

The service finds names with a model. This server knows common given names and surnames of English
and of India, the phrases that introduce a name, and the words that end a street's name.
"""

from __future__ import annotations

GIVEN_NAMES = frozenset(
    "aaron adam aditya alan alex alexander alice amanda amy andrea andrew angela anil anita ann "
    "anna anne anthony arjun arthur ashley barbara ben benjamin betty brandon brian carl carol "
    "caroline catherine charles charlotte chris christine christopher claire daniel david "
    "deborah deepak dennis diana donald donna dorothy douglas edward elizabeth emily emma eric "
    "ethan eva evelyn frances frank gary george gloria grace greg gregory hannah hans harold "
    "harry heather helen henry isabella jack jacob jacqueline james janet jason jean jeffrey "
    "jennifer jeremy jerry jessica joan joe john jonathan jose joseph joshua joyce juan judith "
    "judy julia julie karan karen kate katherine kathleen kavita keith kelly kenneth kevin kim "
    "kimberly kumar larry laura lauren lawrence linda lisa logan louis lucas lucy madison "
    "margaret maria marie mark martha martin mary matthew megan melissa meera michael michelle "
    "mike mohan nancy natalie nathan neha nicholas nicole nisha noah nora oliver olivia pamela "
    "patricia patrick paul peter philip pooja priya rachel rahul raj rajesh ralph rebecca ravi "
    "richard robert roger ronald rose roy russell ruth ryan samantha samuel sandra sanjay sara "
    "sarah scott sean sharon shirley simon sita sophia stephanie stephen steve steven sunil "
    "suresh susan teresa theresa thomas timothy tom tyler vijay victoria vikram vincent "
    "virginia walter wayne william willie zachary".split()
)
SURNAMES = frozenset(
    "adams agarwal allen anderson bailey baker banerjee barnes bell bennett bose brooks brown "
    "butler campbell carter chatterjee chen clark collins cooper cox cruz das davis desai diaz "
    "edwards evans fernandes fischer flores foster garcia gomez gonzalez gray green gupta hall "
    "harris hernandez hill howard hughes iyer jackson jain jenkins johnson jones joshi kapoor "
    "kaur kelly khan king lee lewis long lopez martin martinez mehta miller mitchell moore "
    "morales morgan morris mukherjee mueller murphy myers nair nelson nguyen ortiz parker patel "
    "perez perry peterson phillips pillai powell price ramirez rao reddy reed reyes richardson "
    "rivera roberts robinson rodriguez rogers ross sanchez sanders schmidt scott shah sharma "
    "singh smith stewart sullivan taylor thomas thompson torres turner verma walker ward watson "
    "white williams wilson wood wright young".split()
)
# A name of neither list is one too where it follows these words: "my name is Zaphod".
INTRODUCTIONS = (
    ("my", "name", "is"),
    ("the", "name", "is"),
    ("name", "is"),
    ("i", "am", "called"),
    ("surname", "is"),
)
STREETS = frozenset(
    "street avenue road lane drive boulevard court square terrace way place crescent highway "
    "parkway nagar marg".split()
)
# Given names and surnames that are everyday words: they count only beside another name or after an
# introduction.
AMBIGUOUS = frozenset(
    "grace mark rose frank baker bell brooks brown carter cook cooper cox cruz das fischer "
    "foster gray green hall hill king lee long martin mike price reed ross scott tom ward way "
    "white wood young miller jack jean roy raj rao jain perry morgan parker turner walker".split()
)
NUMBERS = frozenset(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety "
    "hundred".split()
)

"""What a judgement of a clause may find instead of a measurement."""


class BreachError(Exception):
    """The clause is not kept; says how, with the number measured."""


class NotJudgedError(Exception):
    """The test did not get so far that the clause could be judged; says why."""

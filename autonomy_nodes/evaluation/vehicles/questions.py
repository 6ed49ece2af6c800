"""What a vehicle's yaml must tell beside its sensors: each number with its unit, its bounds and what it is for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Vehicle


@dataclass(frozen=True)
class Question:
    """One setting below `vehicle`. key: with dots. low, high: beyond these a number is taken for a slip."""

    key: str
    unit: str
    low: float
    high: float
    about: str

    @property
    def option(self) -> str:
        """The name of its option on the command line."""
        return '--' + self.key.removeprefix('limits.').replace('.', '-').replace('_', '-')

    @property
    def default(self) -> float:
        """What a vehicle has of which nobody tells it."""
        found: Any = reduce(getattr, self.key.split('.'), Vehicle())
        return float(found)

    def checked(self, text: str) -> float:
        """Return the number that an answer tells; raises DataError with what would be right."""
        try:
            value = float(text.replace(',', '.'))
        except ValueError as error:
            raise DataError(f'{self.key}: {text!r} is no number: answer one, in {self.unit}') from error
        if not self.low <= value <= self.high:
            raise DataError(f'{self.key}: {value:g} must lie between {self.low:g} and {self.high:g} {self.unit}')
        return value


BODY = (
    Question('wheelbase_m', 'm', 0.3, 15.0, 'from axle to axle: how tight it turns'),
    Question('front_m', 'm', 0.3, 20.0, 'from the middle of the REAR axle to the front end: how near it may come'),
    Question('rear_m', 'm', 0.0, 10.0, 'from the middle of the rear axle to the rear end'),
    Question('width_m', 'm', 0.2, 6.0, 'at its widest, mirrors too: through which gaps it fits'),
    Question('height_m', 'm', 0.2, 6.0, 'from the ground to its top: below what it fits'),
    Question('self_box_margin_m', 'm', 0.0, 2.0, 'points so near to the body are its own: LiDARs sit further away'),
)
LIMITS = (
    Question('limits.speed_mps', 'm/s', 0.1, 60.0, 'faster the stack never drives it'),
    Question('limits.acceleration_mps2', 'm/s2', 0.1, 10.0, 'harder the stack never speeds up'),
    Question('limits.comfort_braking_mps2', 'm/s2', 0.1, 10.0, 'what it brakes with in ordinary stops'),
    Question('limits.hardest_braking_mps2', 'm/s2', 0.1, 12.0, 'what its brakes give on a wet road'),
    Question('limits.lateral_mps2', 'm/s2', 0.1, 10.0, 'sideways in bends: how fast it takes them'),
    Question('limits.wheel_angle_rad', 'rad', 0.05, 1.5, 'how far its front wheels turn, not the steering wheel'),
    Question('limits.wheel_rate_rps', 'rad/s', 0.01, 5.0, 'how fast its front wheels turn'),
    Question('limits.brake_lag_s', 's', 0.0, 3.0, 'from the command to the brakes taking hold'),
)
BLIND = (Question('blind_m', 'm', 0.0, 30.0, 'so near to the body its LiDARs do not see the ground'),)
TRAILER = (
    Question('trailer.length_m', 'm', 0.5, 20.0, 'from the hitch to its axle'),
    Question('trailer.hitch_ahead_m', 'm', -5.0, 5.0, 'of the hitch ahead of the rear axle; behind it less than 0'),
    Question('trailer.behind_axle_m', 'm', 0.0, 10.0, 'its body behind its axle'),
    Question('trailer.ahead_of_hitch_m', 'm', -15.0, 5.0, 'its body ahead of the hitch; a drawbar less than 0'),
    Question('trailer.width_m', 'm', 0.2, 6.0, 'at its widest'),
    Question('trailer.max_angle_rad', 'rad', 0.1, 1.57, 'to the vehicle, from which it jackknifes'),
)
ALL = (*BODY, *LIMITS, *BLIND, *TRAILER)
TERMINAL = Callable[[str], str]  # prints a prompt and returns the line that is answered


def asked(question: Question, answer: TERMINAL, say: Callable[[str], None]) -> tuple[float, bool]:
    """Ask until an answer is right; return it, and whether it is the default, taken by an empty line."""
    while True:
        text = answer(f'{question.key} [{question.unit}], {question.about} ({question.default:g}): ').strip()
        if not text:
            return question.default, True
        try:
            return question.checked(text), False
        except DataError as error:
            say(f'  {error}')


def checked_options(given: Mapping[str, Any]) -> dict[str, float]:
    """Return {key: number} of the options that were given; raises DataError naming the option that is wrong."""
    found = {}
    for question in ALL:
        text = given.get(question.option.removeprefix('--').replace('-', '_'))
        if text is not None:
            try:
                found[question.key] = question.checked(str(text))
            except DataError as error:
                raise DataError(f'{question.option}: {error}') from error
    return found

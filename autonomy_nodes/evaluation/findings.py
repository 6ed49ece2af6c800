"""What `autonomy doctor` finds."""

from dataclasses import dataclass

MEND, NOTE = 'mend', 'note'


@dataclass(frozen=True)
class Finding:
    """One thing. level: MEND stops the stack or makes it wrong, NOTE costs quality. where: a topic, a frame."""

    level: str
    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f'{self.level}  {self.where}: {self.what} -> {self.remedy}'

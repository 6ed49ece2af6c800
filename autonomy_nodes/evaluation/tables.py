"""Pages of docs/ that are written from the code: topics.md and parameters.md."""

import inspect
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from autonomy_nodes.common.settings import SHARED, configured
from autonomy_nodes.messages.topics import TABLE, Topic
from autonomy_nodes.nodes import processes

ROLES = {'triggers': 'triggers', 'joined': 'joined by', 'prev': 'newest for', 'each': 'each for', 'since': 'all for'}
_ITEM = re.compile(r'(?:^|(?<=[.;:]\s)|(?<=\n))\s*((?:\w+,\s)*\w+):\s')  # `name: ` or `one_m, other_m: ` in a docstring


def write_page(text: str, out: Path | None) -> None:
    """Write a page to a file, or print it."""
    if out is None:
        print(text, end='')
    else:
        out.write_text(text, encoding='utf-8')


def topics_page() -> str:
    """Return docs/topics.md."""
    lines = [
        '# Topics',
        '',
        'Written by `autonomy topics --out docs/topics.md` from `autonomy_nodes/messages/topics.py`: change it there.',
        '',
        '{name} stands for one topic a sensor. Names without a leading slash lie below the namespace. A message '
        '*triggers* a step of',
        'a node, is *joined* by equal stamp, or is read as the *newest* that is there; *each* and *all* lose none.',
    ]
    for giver in dict.fromkeys(topic.given_by for topic in TABLE):
        given = [topic for topic in TABLE if topic.given_by == giver]
        lines += ['', f'## From {giver}', '']
        lines += _table(('topic', 'type', 'frame', 'quality', 'Hz', 'read by', 'what it tells'), map(_topic_row, given))
    lines += ['', '## Tables', '', 'PointCloud2 as a typed table: a row an item. Types as in numpy.', '']
    lines += _table(('topic', 'fields'), ((f'`{t.name}`', f'`{" ".join(t.fields)}`') for t in TABLE if t.fields))
    return '\n'.join(lines) + '\n'


def parameters_page() -> str:
    """Return docs/parameters.md; imports every node."""
    kinds = {name: processes.make(name).config_type for name in processes.TABLE}
    lines = [
        '# Settings',
        '',
        'Written by `autonomy parameters --out docs/parameters.md` from the dataclasses beside the algorithms: change '
        'them there.',
        '',
        'In `config/stack.yaml` they stand below `NODE: ros__parameters:`, nested or with dots. '
        f'`{SHARED}.` is the same for',
        'all nodes and comes from `config/vehicles/*.yaml`.',
    ]
    shared: dict[str, type] = {}
    for node, kind in kinds.items():
        rows = [row for row in settings_rows(kind, made=configured(kind, {})) if not row[0].startswith(f'`{SHARED}.')]
        if inner := get_type_hints(kind).get(SHARED):
            shared[SHARED] = inner
        lines += ['', f'## {node}', '', *(_settings(rows) if rows else ['No settings of its own.'])]
    for name, kind in shared.items():
        lines += ['', f'## {name}', '', *_settings(settings_rows(kind, f'{name}.'))]
    return '\n'.join(lines) + '\n'


def settings_rows(kind: type, prefix: str = '', made: Any = None) -> list[tuple[str, str, str, str]]:
    """Return (name, type, default, what it means) of each setting of a dataclass, with those inside it.

    made: one with every setting at its default, as nodes get it; without it the fields tell.
    """
    kinds, about, rows = get_type_hints(kind), _about(kind), []
    for field in fields(kind):
        inner, name = kinds[field.name], prefix + field.name
        if is_dataclass(inner):
            rows += settings_rows(inner, f'{name}.', getattr(made, field.name, None))  # type: ignore[arg-type]
        elif get_origin(inner) is dict and is_dataclass(get_args(inner)[1]):
            rows += settings_rows(get_args(inner)[1], f'{name}.NAME.')
        else:
            default = _default(field) if made is None else f'`{getattr(made, field.name)!r}`'
            rows.append((f'`{name}`', _type_name(inner), default, about.get(field.name, '')))
    return rows


def _settings(rows: Sequence[tuple[str, ...]]) -> list[str]:
    return _table(('setting', 'type', 'default', 'meaning'), rows)


def _topic_row(topic: Topic) -> tuple[str, ...]:
    readers = [f'{word} {", ".join(getattr(topic, role))}' for role, word in ROLES.items() if getattr(topic, role)]
    rate = f'{topic.rate_hz:g}' if topic.rate_hz else ''
    return f'`{topic.name}`', topic.type, topic.frame, topic.qos, rate, '; '.join(readers), topic.about


def _table(head: Sequence[str], rows: Any) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [f'| {" | ".join(head)} |', f'|{"---|" * len(head)}']
    return lines + [f'| {" | ".join(cell.replace("|", "&#124;") for cell in row)} |' for row in rows]


def _type_name(kind: Any) -> str:
    return kind.__name__ if get_origin(kind) is None and hasattr(kind, '__name__') else str(kind)


def _default(field: Field) -> str:
    if field.default is not MISSING:
        return f'`{field.default!r}`'
    return 'must be set' if field.default_factory is MISSING else f'`{field.default_factory()!r}`'


def _about(kind: type) -> dict[str, str]:
    """Return what the docstring and the comments beside the fields say about each field."""
    names = {field.name for field in fields(kind)}
    text = inspect.cleandoc(kind.__doc__ or '')
    found: dict[str, str] = {}
    items = [item for item in _ITEM.finditer(text) if names.issuperset(_names(item))]
    for item, end in zip(items, [later.start() for later in items[1:]] + [len(text)]):
        meaning = ' '.join(text[item.end() : end].split('\n\n')[0].split()).rstrip('.;')
        found |= dict.fromkeys(_names(item), meaning)
    for name, comment in _comments(kind):
        if name in names:
            found[name] = '; '.join(part for part in (found.get(name, ''), comment) if part)
    return found


def _names(item: re.Match[str]) -> list[str]:
    return re.split(r',\s', item[1])


def _comments(kind: type) -> Iterator[tuple[str, str]]:
    """Yield (field, the comment on its line) from the source of a dataclass."""
    first = ''
    for token in tokenize.generate_tokens(io.StringIO(inspect.getsource(kind)).readline):
        if token.type == tokenize.NAME and token.line.strip().startswith(f'{token.string}:'):
            first = token.string
        elif token.type == tokenize.COMMENT and token.line.strip().startswith(f'{first}:'):
            yield first, token.string.lstrip('# ')

"""From the .msg texts of a package to the C and Python sources of its type support, by rosidl's own generators.

The generators are Python functions that read their arguments from a JSON file; CMake only writes those files, and so
can we. They come with the ROS 2 wheels, so this module runs with the Python of the environment that it builds for.
"""

import contextlib
import io
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SHARE = Path(sys.prefix) / 'share'
TYPE_SUPPORTS = ('rosidl_typesupport_fastrtps_c', 'rosidl_typesupport_introspection_c')


@dataclass(frozen=True)
class Sources:
    """What the generators wrote for one package.

    `idl` holds X.idl and X.json (with the type hash), `structs` the C structs, their functions and the Fast DDS type
    support, `introspection` and `dispatch` the two other type supports, `python` the classes and their conversion.
    """

    package: str
    depends: tuple[str, ...]
    idl: Path
    structs: Path
    introspection: Path
    dispatch: Path
    python: Path


def included(texts: Iterable[str]) -> set[str]:
    """Return every .idl file that these .idl texts include, directly or not, as 'package/msg/Name.idl'."""
    found: set[str] = set()
    todo = list(texts)
    while todo:
        new = set(re.findall(r'#include "([^"]+)"', todo.pop())) - found
        found |= new
        todo += [(SHARE / name).read_text() for name in new if (SHARE / name).exists()]
    return found


class Generators:
    """The generators' arguments for one package; each method writes one kind of source."""

    def __init__(self, package: str, texts: dict[str, str], work: Path):
        from rosidl_adapter.msg import convert_msg_to_idl

        self.package, self.work, self.names = package, work, sorted(texts)
        self.messages = work / 'messages' / package
        self.idl = self.folder('idl')
        (self.messages / 'msg').mkdir(parents=True)
        for name, text in texts.items():
            (self.messages / 'msg' / f'{name}.msg').write_text(text)
            convert_msg_to_idl(self.messages, package, Path('msg') / f'{name}.msg', self.idl / 'msg')
        others = included(path.read_text() for path in self.idl.rglob('*.idl'))
        self.others = sorted(name for name in others if not name.startswith(f'{package}/'))
        if missing := [name for name in self.others if not (SHARE / name).exists()]:
            raise SystemExit(f'{package} needs {", ".join(missing)}, which no wheel holds')
        self.depends = tuple(sorted({name.split('/')[0] for name in self.others}))

    def folder(self, kind: str) -> Path:
        """Return the folder for one kind of source; it is its own include root."""
        path = self.work / kind / self.package
        (path / 'msg').mkdir(parents=True, exist_ok=True)
        return path

    def arguments(self, generator: str, output: Path, **more: object) -> str:
        """Write the arguments of a generator and return the path of the file."""
        path = self.work / f'{self.package}.{generator}.json'
        arguments = {
            'package_name': self.package,
            'output_dir': str(output),
            'template_dir': str(SHARE / generator / 'resource'),
            'idl_tuples': [f'{self.idl}:msg/{name}.idl' for name in self.names],
            'ros_interface_dependencies': [f'{name.split("/")[0]}:{SHARE / name}' for name in self.others],
            'target_dependencies': [],
        }
        path.write_text(json.dumps(arguments | more))
        return str(path)

    def describe(self) -> None:
        """Write X.json, the description of each type and its hash, beside X.idl."""
        from rosidl_generator_type_description import generate_type_hash

        paths = [f'{package}:{SHARE / package}' for package in self.depends]
        generate_type_hash(self.arguments('rosidl_generator_type_description', self.idl, include_paths=paths))

    def structs(self) -> Path:
        """Write the C structs with their functions, and the Fast DDS type support beside them."""
        from rosidl_cli.command.helpers import generate_visibility_control_file
        from rosidl_generator_c import generate_c
        from rosidl_typesupport_fastrtps_c import generate_typesupport_fastrtps_c

        output = self.folder('structs')
        described = [f'msg/{name}.idl:{self.idl}/msg/{name}.json' for name in self.names]
        texts = [str(self.messages / 'msg' / f'{name}.msg') for name in self.names]
        more = {'type_description_tuples': described, 'ros_interface_files': texts}
        generate_c(self.arguments('rosidl_generator_c', output, **more))
        generate_typesupport_fastrtps_c(self.arguments('rosidl_typesupport_fastrtps_c', output))
        for generator in ('rosidl_generator_c', *TYPE_SUPPORTS):
            header = f'{generator}__visibility_control.h'
            template = SHARE / generator / 'resource' / f'{header}.in'
            generate_visibility_control_file(
                package_name=self.package, template_path=template, output_path=output / 'msg' / header
            )
        return output

    def introspection(self) -> Path:
        """Write the type support by which Fast DDS tells others what a type looks like."""
        from rosidl_typesupport_introspection_c import generate_c

        output = self.folder('introspection')
        generate_c(self.arguments('rosidl_typesupport_introspection_c', output))
        return output

    def dispatch(self) -> Path:
        """Write the type support that chooses between the others when it is first used."""
        from rosidl_typesupport_c import generate_c

        output = self.folder('dispatch')
        generate_c(self.arguments('rosidl_typesupport_c', output), list(TYPE_SUPPORTS))
        return output

    def python(self) -> Path:
        """Write the Python classes and the C code that converts them."""
        from rosidl_generator_py import generate_py

        output = self.folder('python')
        generate_py(self.arguments('rosidl_generator_py', output), ['rosidl_typesupport_c'])
        return output


def generate(package: str, texts: dict[str, str], work: Path) -> Sources:
    """Return the sources of a package, written below `work`; `texts`: {message name: its .msg text}."""
    with contextlib.redirect_stdout(io.StringIO()):  # the generators tell each file they read
        make = Generators(package, texts, work)
        make.describe()
        return Sources(
            package=package,
            depends=make.depends,
            idl=make.idl,
            structs=make.structs(),
            introspection=make.introspection(),
            dispatch=make.dispatch(),
            python=make.python(),
        )

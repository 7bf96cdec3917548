"""Build embedtune from `settings.ini`, the one place that names its version and requirements."""
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=['='])
config.read(here/'settings.ini', encoding='utf-8')
cfg = config['DEFAULT']
readme = here/'README.md'

setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
    author=cfg['author'], author_email=cfg['author_email'], license='Apache-2.0',
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else '', long_description_content_type='text/markdown',
    packages=find_packages(include=['embedtune']) + ['embedtune.sample', 'embedtune.templates'], package_dir={'embedtune.sample': 'data/sample'},
    package_data={'embedtune': ['*.pyi', 'py.typed'], 'embedtune.templates': ['*'], 'embedtune.sample': ['*.pdf', '*.json', '*.jsonl', '*.md']}, include_package_data=True,
    python_requires=f">={cfg['min_python']}", install_requires=cfg['requirements'].split(),
    extras_require={key.removesuffix('_requirements'): value.split() for key, value in cfg.items() if key.endswith('_requirements')},
    entry_points={'console_scripts': cfg['console_scripts'].split('\n'), 'nbdev': [f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"]},
    zip_safe=False,
)

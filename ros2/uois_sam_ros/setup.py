from setuptools import setup

NAME = "uois_sam_ros"

setup(
    name=NAME,
    version="0.1.0",
    packages=[NAME],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", ["launch/node.launch.py"]),
    ],
    install_requires=["setuptools", "uois-sam"],
    zip_safe=True,
    license="Apache-2.0",
    description="A mask for every object in a camera's images, none of them seen before",
    entry_points={"console_scripts": [f"node = {NAME}.node:main"]},
)

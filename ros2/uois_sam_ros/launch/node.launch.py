"""ros2 launch uois_sam_ros node.launch.py topic:=/camera/color/image_raw"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

ARGUMENTS = {
    "topic": "/camera/color/image_raw",
    "model": "compact",
    "device": "auto",
}


def generate_launch_description() -> LaunchDescription:
    arguments = [DeclareLaunchArgument(name, default_value=value) for name, value in ARGUMENTS.items()]
    values = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    node = Node(package="uois_sam_ros", executable="node", name="uois_sam", parameters=[values], output="screen")
    return LaunchDescription([*arguments, node])

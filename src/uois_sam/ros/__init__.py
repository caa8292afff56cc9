"""Robots: images in ROS messages, bags, and a live node; none of it needs a ROS installation.

``images``, ``answers`` and ``requests`` work on messages of any library (rosbags, rclpy, rospy: they have the same
fields) and import none. ``types`` and ``bags`` use rosbags, ``wire`` and ``node`` cyclonedds as well (extra ``ros``).
"""

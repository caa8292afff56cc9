#!/bin/sh
# Install uois-sam with its server from a source folder into a virtual environment: the only step of the image that
# installs anything, and what the tests run without Docker.
#
#   TORCH=cpu docker/install.sh SOURCE VENV
#
# TORCH names a folder of PyTorch's index (cpu, cu126, ...); "present" takes the torch that is there.
set -eu
source=$1
venv=$2
torch=${TORCH:-cpu}

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
if [ "$torch" != present ]; then
    pin=$(grep '^torch==' "$source/constraints.txt")
    "$venv/bin/python" -m pip install --no-cache-dir "$pin" --index-url "https://download.pytorch.org/whl/$torch"
fi
"$venv/bin/python" -m pip install --no-cache-dir -c "$source/constraints.txt" "$source[serve]"

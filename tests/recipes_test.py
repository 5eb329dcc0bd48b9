"""The recipes of package managers parse and name the project's version: recipes_test.py TOP VERSION"""

import ast
import json
import pathlib
import re
import sys

top, version = pathlib.Path(sys.argv[1]), sys.argv[2]

port = json.loads((top / "cmake/vcpkg/sigmax/vcpkg.json").read_text())
assert (port["name"], port["version"]) == ("sigmax", version), port

package = (top / "kernels/python/pyproject.toml").read_text()
assert re.search(r'^version = "(.*)"$', package, re.M).group(1) == version, package
soname = re.search(r"libsigmax\.so\.([0-9.]+[0-9])", (top / "kernels/python/sigmax/_library.py").read_text()).group(1)
assert version.startswith(soname + "."), soname

recipe = ast.parse((top / "cmake/conan/conanfile.py").read_text())
assert any(isinstance(node, ast.ClassDef) and node.name == "Sigmax" for node in recipe.body)
lists = (top / "CMakeLists.txt").read_text()
assert re.search(r"project\(sigmax VERSION ([0-9.]+)", lists).group(1) == version  # as the recipe reads it
print("recipes of version", version)

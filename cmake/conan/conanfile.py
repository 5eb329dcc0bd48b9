"""Conan 2 recipe: conan create cmake/conan (from the top of the tree)."""

import os
import re

from conan import ConanFile
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load


class Sigmax(ConanFile):
    name = "sigmax"
    license = "BSD-3-Clause"
    description = "Activation functions and softmax on CPUs and NVIDIA GPUs"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": False}
    package_type = "library"

    @property
    def _top(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        lists = load(self, os.path.join(self._top, "CMakeLists.txt"))
        self.version = re.search(r"project\(sigmax VERSION ([0-9.]+)", lists).group(1)

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "kernels/*", "cpu/*", "cuda/*", "cmake/*"):
            copy(self, pattern, self._top, self.export_sources_folder)

    def build_requirements(self):
        self.test_requires("xsimd/[>=14.3]")  # headers, which only the library's own sources need

    def layout(self):
        cmake_layout(self)

    def generate(self):
        CMakeDeps(self).generate()
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables.update(SIGMAX_BUILD_TESTS=False, SIGMAX_BUILD_BENCH=False, SIGMAX_CUDA="OFF")
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()

    def package_info(self):
        self.cpp_info.libs = ["sigmax"]
        self.cpp_info.set_property("cmake_file_name", "sigmax")
        self.cpp_info.set_property("cmake_target_name", "sigmax::sigmax")
        if self.options.shared:
            self.cpp_info.defines = ["SIGMAX_SHARED"]
        elif self.settings.os == "Linux":
            self.cpp_info.system_libs = ["m", "stdc++"]

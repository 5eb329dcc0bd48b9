#include "process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace sigmax_bench {
namespace {

// Both streams at once: a program that fills one pipe while we wait for the other would hang.
void read_both(std::array<int, 2> streams, std::array<std::string*, 2> into) {
  std::array<pollfd, 2> waiting{pollfd{streams[0], POLLIN, 0}, pollfd{streams[1], POLLIN, 0}};
  for (int open = 2; open > 0;) {
    if (poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) break;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].fd < 0 || waiting[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t got = read(waiting[i].fd, buffer, sizeof buffer);
      if (got > 0) {
        into[i]->append(buffer, static_cast<std::size_t>(got));
      } else if (got == 0 || errno != EINTR) {
        waiting[i].fd = -1;  // poll skips it
        --open;
      }
    }
  }
}

[[noreturn]] void become(const std::vector<std::string>& words, const std::vector<std::string>& environment, int out,
                         int err) {
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  for (const std::string& entry : environment) putenv(const_cast<char*>(entry.c_str()));
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  _exit(127);
}

}  // namespace

finished run_process(const std::vector<std::string>& words, const std::vector<std::string>& environment) {
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
  const pid_t child = fork();
  if (child == 0) become(words, environment, out[1], err[1]);
  close(out[1]);
  close(err[1]);
  finished result;
  if (child > 0) {
    read_both({out[0], err[0]}, {&result.out, &result.err});
    int state = 0;
    while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
    }
    result.status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  }
  close(out[0]);
  close(err[0]);
  if (child < 0) throw std::runtime_error("cannot start a process");
  return result;
}

std::string own_path() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

scratch_folder::scratch_folder() {
  std::string name = (std::filesystem::temp_directory_path() / "sigmax-bench.XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a folder in " + name);
  path_ = name;
}

scratch_folder::~scratch_folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace sigmax_bench

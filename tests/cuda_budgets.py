"""cuda_budgets.py TABLE CUBIN...: instructions that a thread executes for an element, from the code of sm_90 itself.

Of every way through a kernel that makes its loads and stores of 16 bytes, so many as its vectors take, the shortest
is counted, from the first instruction to the last: what addresses, ends and branches take is in it. Calls are not on it,
which are the routines for divisors out of range, nor are vectors at the ends, misaligned ones, or what a flag adds. An
instruction under a false predicate counts as it is issued. So it is a lower bound of a call on large, aligned memory.
No disassembler is needed: an instruction is 16 bytes since sm_70, and of its fields these are read.
"""

import functools
import heapq
import operator
import pathlib
import re
import sys

from cuda_code import kernels

BRANCH, CALL, EXIT, RETURN, LOAD, STORE = 0x947, 0x944, 0x94D, 0x950, 0x981, 0x986
COPY, SLOT_LOAD, SLOT_STORE, ESTIMATE = 0xFAE, 0x984, 0x388, 0x308  # into shared memory, from and to it; ex2 and others
SLACK = 1.02  # of listed counts, for another release of nvcc


def successors(place, word):
    always = word >> 12 & 15 == 7  # its guard is no predicate
    following = [] if always else [place + 1]
    if word & 0xFFF == BRANCH:
        distance = word >> 34 & (1 << 48) - 1
        distance -= distance >> 47 << 48
        target = place + 1 + (distance << 8 | word >> 16 & 255) // 4
        return [target] if always and word >> 87 & 15 == 7 else [place + 1, target]
    return following if word & 0xFFF in (EXIT, CALL, RETURN) else [place + 1]


class Ways:
    """Through a kernel, for the shortest with so many instructions of each kind. `kind` says of an instruction its number
    among the `kinds`, NOTHING, or FORBIDDEN."""

    NOTHING, FORBIDDEN = -1, -2

    def __init__(self, code, kind, kinds):
        following = [successors(place, word) for place, word in enumerate(code)]
        ends = {place for place, places in enumerate(following) if places != [place + 1]} | {len(code) - 1}
        begins = {0} | {t for place in ends for t in following[place] if t < len(code)}
        self.blocks = {}  # by where they begin: length, counts, whether the kernel ends there, where it goes on
        for begin in begins:
            end = begin
            while end not in ends and end + 1 not in begins:
                end += 1
            found = [kind(word) for word in code[begin : end + 1]]
            if self.FORBIDDEN not in found:
                over = code[end] & 0xFFF == EXIT and code[end] >> 12 & 15 == 7
                self.blocks[begin] = end + 1 - begin, [found.count(k) for k in range(kinds)], over, following[end]

    def shortest(self, wanted):
        """Its length, or None."""
        reached, queue = set(), [(0, 0, (0,) * len(wanted))]
        while queue:
            length, place, counts = heapq.heappop(queue)
            if (place, counts) in reached or place not in self.blocks:
                continue
            reached.add((place, counts))
            more, here, over, following = self.blocks[place]
            counts = tuple(map(operator.add, counts, here))
            if over and counts == wanted:
                return length + more
            if all(map(operator.le, counts, wanted)):
                for place in following:
                    heapq.heappush(queue, (length + more, place, counts))
        return None


def whole(word):
    return word >> 73 & 7 == 6


def shortest(code, loads, stores):
    """How many instructions lie on the shortest way with exactly so many loads and stores of 16 bytes; or None."""
    kinds = {LOAD: 0, STORE: 1}

    def kind(word):
        return kinds.get(word & 0xFFF, Ways.NOTHING) if whole(word) else Ways.NOTHING

    return Ways(code, kind, len(kinds)).shortest((loads, stores))


def staged_length(code, slots, estimates, kept):
    """Of a row's kernel whose loops each take a slot of 16 bytes a turn: the way with no slot but one, and what each of
    the others adds. In all a slot is copied, read three times and stored, and has `estimates`; `kept`: and written
    once."""

    kinds = {COPY: 0, SLOT_LOAD: 1, STORE: 2, SLOT_STORE: 3, ESTIMATE: 4}

    def kind(word):
        operation = word & 0xFFF
        if operation == LOAD or operation == STORE and not whole(word):
            return Ways.FORBIDDEN  # no other access to global memory
        return kinds.get(operation, Ways.NOTHING) if whole(word) or operation in (COPY, ESTIMATE) else Ways.NOTHING

    through = Ways(code, kind, len(kinds))

    def way(n, more):
        return through.shortest((n, 3 * n, n, n * kept, n * estimates + more))

    # What a row takes once has a few estimates, too: as many as make the way shortest.
    ways = [(way(1, more), way(2, more)) for more in range(4)]
    return min((one + (slots - 1) * (two - one) for one, two in ways if one and two), default=None)


def form_and_name(symbol):
    """As cuda_resources.sh has them; of a kernel for rows its configuration."""
    if "softmax" in symbol:
        kind = ("fused_" if "Lb1E" in symbol else "") + ("staged_" if "softmax_staged" in symbol else "rows_")
        return kind + symbol.split("Li")[-1].split("E")[0], ""
    form = "gradient" if "gradient" in symbol else "fast" if "accuracyE1" in symbol else "forward"
    return form, re.search(r"I[A-Z0-9_]*?[0-9]+_?[0-9]*?([a-z][a-z0-9_]*?)_(op|gate)E", symbol)[1]


def main():
    write = "--write" in sys.argv
    arguments = [pathlib.Path(a) for a in sys.argv[1:] if a != "--write"]
    issued, paths, slots, listed = 0, [], [], {}
    for line in arguments[0].read_text().splitlines():
        word = line.split("#")[0].split() or ["#"]
        if word[0] == "issued_per_byte":
            issued = float(word[1])
        elif word[0] == "path":
            paths.append((word[1], word[2], *map(int, word[3:7])))
        elif word[0] == "slots":
            slots.append((word[1], word[2], *map(int, word[3:8])))
        elif word[0] == "over":
            listed[" ".join(word[1:4])] = float(word[4])
    faults, over, counted = [], set(), 0
    for file in arguments[1:]:
        for symbol, code in kernels(file.read_bytes()):
            ways = [(t, f, elements, moved, functools.partial(shortest, code, loads, stores))
                    for t, f, loads, stores, elements, moved in paths]
            ways += [(t, f, n * elements, moved, functools.partial(staged_length, code, n, estimates, kept))
                     for t, f, n, elements, estimates, kept, moved in slots]
            for table, form, elements, moved, find in ways:
                if table != file.stem or "strided" in symbol or form_and_name(symbol)[0] != form:
                    continue
                kernel = " ".join((table, form, form_and_name(symbol)[1] or f"{moved}_bytes"))
                length, budget = find(), issued * moved
                counted += 1
                if length is None:
                    faults.append(f"{kernel}: no way with as many loads and stores of 16 bytes as are listed")
                    continue
                each = length / elements
                if write:
                    print(f"{'over' if each > budget else 'fits'} {kernel} {each:.1f}  # of {budget:.0f}")
                if each > budget:
                    over.add(kernel)
                if each > max(budget, SLACK * listed.get(kernel, 0)):
                    faults.append(f"{kernel}: {each:.1f} instructions an element, more than {budget:.0f} and what is listed")
    faults += [f"{kernel}: listed as over its budget, and is not" for kernel in sorted(listed.keys() - over)]
    if not write:
        print("\n".join(faults + [f"{counted} kernels' instructions an element, {len(over)} over their budget"]))
    return not write and (bool(faults) or not counted)


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: MIT
"""Object-oriented code that mostly loops: a binary tree whose nodes hold buckets."""

ROUNDS = 5
HOTTEST = "Tree.insert"
CALLS = 8_000
HITS = 8_000


class Node:
    def __init__(self, key):
        self.key = key
        self.left = None
        self.right = None
        self.bucket = [key, key + 1, key + 2, key + 3, key + 4, key + 5]

    def weight(self):
        total = 0
        for value in self.bucket:
            total = (total * 31 + value) & 0xFFFF
        for bit in range(24):
            if total >> bit & 1:
                total ^= self.key
        if self.left is not None:
            total += self.left.weight()
        if self.right is not None:
            total += self.right.weight()
        return total


class Tree:
    def __init__(self):
        self.root = None
        self.size = 0

    def insert(self, key):
        node = self.root    # hits
        fresh = Node(key)
        self.size += 1
        if node is None:
            self.root = fresh
            return
        while True:
            if key < node.key:
                if node.left is None:
                    node.left = fresh
                    return
                node = node.left
            else:
                if node.right is None:
                    node.right = fresh
                    return
                node = node.right

    def find(self, key):
        node = self.root
        while node is not None:
            if key == node.key:
                return node
            node = node.left if key < node.key else node.right
        return None


def run(rounds):
    for _ in range(rounds):
        tree = Tree()
        key = 1
        keys = [0] * 8_000
        for at in range(len(keys)):
            keys[at] = key = (key * 16_807) % 2_147_483_647
        for key in keys:
            tree.insert(key)
        for key in keys:
            tree.find(key)
        tree.root.weight()

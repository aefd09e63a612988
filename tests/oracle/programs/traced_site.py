# SPDX-License-Identifier: MIT
"""As sitecustomize: begins to trace each Python process that is started."""

import os

if "ORACLE_FOLDER" in os.environ:
    import traced

    traced.load_agent(os.environ["ORACLE_AGENTS"]).start(os.environ["ORACLE_FOLDER"], "calls,builtins")

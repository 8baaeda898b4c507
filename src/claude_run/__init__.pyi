from claude_run.errors import (
    ClaudeRunError as ClaudeRunError,
)
from claude_run.errors import (
    CredentialsError as CredentialsError,
)
from claude_run.errors import (
    ExitCode as ExitCode,
)
from claude_run.errors import (
    InputError as InputError,
)
from claude_run.errors import (
    MeasureError as MeasureError,
)
from claude_run.errors import (
    SelectionError as SelectionError,
)
from claude_run.errors import (
    SetupError as SetupError,
)
from claude_run.errors import (
    StorageError as StorageError,
)
from claude_run.library.calls import (
    compare as compare,
)
from claude_run.library.calls import (
    load as load,
)
from claude_run.library.calls import (
    plan as plan,
)
from claude_run.library.calls import (
    run as run,
)
from claude_run.library.rows import (
    tables as tables,
)
from claude_run.library.values import (
    Compared as Compared,
)
from claude_run.library.values import (
    Loaded as Loaded,
)
from claude_run.library.values import (
    Planned as Planned,
)
from claude_run.library.values import (
    Run as Run,
)
from claude_run.library.values import (
    Tables as Tables,
)

__version__: str

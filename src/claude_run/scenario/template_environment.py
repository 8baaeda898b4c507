"""The Jinja2 environment of the template language. This module alone extends jinja2, and is imported late."""

from __future__ import annotations

from typing import Any

from jinja2 import StrictUndefined, Undefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from claude_run.scenario import template_language as language


def build() -> ImmutableSandboxedEnvironment:
    """Return an environment without globals and loader, with the bounded filters and operators."""
    environment = _Environment(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
        optimized=False,
        finalize=_finalize,
        cache_size=0,
    )
    environment.intercepted_binops = frozenset({"+", "*", "**", "%"})
    environment.globals.clear()
    environment.filters = language.filters()
    environment.tests = {name: test for name, test in environment.tests.items() if name in language.TESTS}
    return environment


def bound(template: nodes.Template) -> nodes.Template:
    """Return the template with `~` bounded and every turn of a loop made a piece that can be counted."""
    bounded: nodes.Template = _Bounds().visit(template)
    return bounded


class _Environment(ImmutableSandboxedEnvironment):
    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401, ARG002 - jinja2's own signature
        return language.operate(operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401 - jinja2's own signature
        return self._read(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401 - jinja2's own signature
        return self._read(obj, argument)

    def _read(self, obj: Any, key: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(obj, Undefined):
            str(obj)  # raises the error that names the variable, not its part
        found, value = language.read(obj, key)
        return value if found else self.undefined(obj=obj, name=key)


class _Bounds(NodeTransformer):
    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - jinja2 dispatches on the name
        self.generic_visit(node)
        node.body.insert(0, nodes.Output([nodes.TemplateData("")]).set_lineno(node.lineno))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 - jinja2 dispatches on the name
        self.generic_visit(node)
        parts = nodes.List(node.nodes).set_lineno(node.lineno)
        replacement = nodes.Filter(parts, language.CONCAT, [], [], None, None)
        replacement.set_lineno(node.lineno)
        replacement.environment = node.environment
        return replacement


def _finalize(value: object) -> object:
    return value if isinstance(value, Undefined) else language.to_text(value)

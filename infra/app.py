"""The article's stack: `make synth`, or `npx cdk deploy [-c lean=true] [-c removal=DESTROY]` here."""  # noqa: INP001

from __future__ import annotations

import aws_cdk as cdk

from rowmill.cdk import Props, Rowmill

app = cdk.App()
lean = app.node.try_get_context("lean") == "true"
removal = app.node.try_get_context("removal") or "RETAIN"
stack = cdk.Stack(app, "RowmillOrders", description="Rowmill: a file lands, its rows are run, the output appears")
Rowmill(stack, "Orders", Props(lean=lean, removal_policy=removal))
app.synth()

"""The article's stack: `make synth`, or `cdk deploy` in this folder. Change the properties to yours."""  # noqa: INP001

from __future__ import annotations

import aws_cdk as cdk

from rowmill.cdk import Props, Rowmill

app = cdk.App()
lean = app.node.try_get_context("lean") == "true"
stack = cdk.Stack(app, "RowmillOrders", description="Rowmill: a file lands, its rows are run, the output appears")
Rowmill(stack, "Orders", Props(lean=lean))
app.synth()

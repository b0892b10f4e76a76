"""The page of the documentation: Swagger UI, from files of this machine alone.

A page that fetched its scripts from elsewhere would be dead where there is no way out, and would
run what somebody else sends. The policy below lets a browser load nothing but these files.
"""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

router = APIRouter(include_in_schema=False)

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_KEPT = {"Cache-Control": "max-age=86400"}
_POLICY = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>hotbook</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/begin.js"></script>
</body>
</html>
"""
_BEGIN = """SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#page", deepLinking: true, tryItOutEnabled: true,
  displayRequestDuration: true, validatorUrl: null,
});
"""


@router.get("/")
async def begin_here() -> Response:
    return RedirectResponse("/docs")


@router.get("/docs")
async def show_docs() -> Response:
    return HTMLResponse(_PAGE, headers=_POLICY)


@router.get("/docs/begin.js")
async def show_begin() -> Response:
    return Response(_BEGIN, media_type="text/javascript", headers=_KEPT)


def _asset(name: str, media_type: str) -> None:
    @router.get(f"/docs/{name}")
    async def show_asset() -> Response:
        body = files("fastapi_swagger").joinpath("resources", name).read_bytes()
        return Response(body, media_type=media_type, headers=_KEPT)


for _name, _media_type in ASSETS.items():
    _asset(_name, _media_type)

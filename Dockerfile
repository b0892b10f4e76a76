# Builds the wheel, then runs the server as a user without rights, with its data on one volume.
# tests/test_package.py runs the same steps in a clean environment.
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.lock pyproject.toml README.md CHANGELOG.md ./
RUN python -m venv /opt/hotbook \
 && /opt/hotbook/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY shared shared
COPY server server
COPY client client
RUN /opt/hotbook/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation -w /dist . \
 && /opt/hotbook/bin/pip install --no-cache-dir --no-deps /dist/*.whl

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /data hotbook \
 && install -d -o hotbook -g hotbook /data
COPY --from=build /opt/hotbook /opt/hotbook
ENV PATH=/opt/hotbook/bin:$PATH \
    HOTBOOK_LISTEN=0.0.0.0:50700 \
    HOTBOOK_METRICS_LISTEN=0.0.0.0:50701 \
    HOTBOOK_WEB_LISTEN=0.0.0.0:50702 \
    HOTBOOK_DATA_DIR=/data
USER hotbook
VOLUME /data
EXPOSE 50700 50701 50702
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s CMD ["hotbook", "status", "-o", "json"]
ENTRYPOINT ["hotbook", "serve"]

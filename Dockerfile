# The image: docs/image.md. Built and tried by tests/image.
#
#   docker build -t barnabas .

FROM docker.io/library/debian:12-slim AS build
COPY dev /src/
RUN apt-get -q update && \
    DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends install \
        bash busybox $(/src/dev packages)
COPY image/build-microhttpd /src/image/
RUN /src/image/build-microhttpd /usr/local
COPY . /src
RUN PKG_CONFIG_PATH=/usr/local/lib/pkgconfig meson setup /build /src --buildtype=release -Dtests=disabled -Dstrip=true --prefix=/usr && \
    ninja -C /build barnabas barnabasctl && \
    /src/image/make-root /src /build /root-fs

FROM scratch
COPY --from=build /root-fs /
ENV PATH=/opt/kafka/bin:/opt/bitnami/kafka/bin:/usr/bin:/bin:/usr/sbin:/sbin
EXPOSE 9092
VOLUME ["/bitnami/kafka", "/var/lib/kafka/data"]
USER 1001
ENTRYPOINT ["/opt/bitnami/scripts/kafka/entrypoint.sh"]

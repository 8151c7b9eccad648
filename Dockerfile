# The image: docs/image.md. Built and tried by tests/image.
#
#   docker build -t barnabas .

FROM docker.io/library/debian:12-slim AS build
RUN apt-get -q update && \
    DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends install \
        bash busybox-static gcc libc6-dev meson ninja-build pkg-config python3 \
        libuv1-dev libzstd-dev liblz4-dev libsnappy-dev libisal-dev libxxhash-dev libjansson-dev
COPY . /src
RUN meson setup /build /src --buildtype=release -Dtests=disabled -Dstrip=true --prefix=/usr && \
    ninja -C /build barnabas barnabasctl
RUN /src/image/make-root /src /build /root-fs

FROM scratch
COPY --from=build /root-fs /
ENV PATH=/opt/kafka/bin:/opt/bitnami/kafka/bin:/usr/bin:/bin:/usr/sbin:/sbin
EXPOSE 9092
VOLUME ["/bitnami/kafka", "/var/lib/kafka/data"]
USER 1001
ENTRYPOINT ["/opt/bitnami/scripts/kafka/entrypoint.sh"]

# The page to paint a hole and see the fill, on the CPU:  docker build -t inpaintx . && docker run -p 127.0.0.1:7860:7860 inpaintx
# For other machines, with a password:  docker run -p 7860:7860 inpaintx --auth user:password
FROM python:3.13-bookworm AS build
WORKDIR /source
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
      torch==2.13.0 numpy==2.4.6 setuptools==80.10.2 wheel==0.46.3 ninja==1.13.2
COPY . .
ENV FORCE_CUDA=0 INPAINTX_OPENCV=opencv-python-headless
RUN pip wheel --no-cache-dir --no-build-isolation --no-deps -w wheels . ./weights

FROM python:3.13-slim-bookworm
COPY --from=build /source/wheels /wheels
# hadolint ignore=DL3013
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu torch==2.13.0 \
 && set -- /wheels/inpaintx-*.whl && pip install --no-cache-dir "$1[web,faces]" /wheels/inpaintx_weights-*.whl \
 && rm -r /wheels \
 && useradd --create-home --uid 1000 page
USER 1000
WORKDIR /home/page
EXPOSE 7860
ENTRYPOINT ["inpaintx", "web", "--host", "0.0.0.0", "--port", "7860"]
CMD ["--no-auth"]

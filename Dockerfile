# One image for every process of the service; docker-compose.yml gives each its command.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --system --uid 10001 --home-dir /app service
WORKDIR /app

COPY requirements.txt constraints.txt ./
RUN pip install -r requirements.txt -c constraints.txt

COPY manage.py ./
COPY bitcoingame bitcoingame
COPY profiles profiles
COPY notifications notifications
COPY social social

# The settings require these values in production. Only this command uses them; the image does not keep them.
ENV ENVIRONMENT=production
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(48))')" \
    DATABASE_URL=postgresql://build@build/build REDIS_URL=redis://build:6379/0 \
    ALLOWED_HOSTS=build DASHBOARD_ORIGINS=https://build.invalid PUBLIC_URL=https://build.invalid \
    JWT_PRIVATE_KEY="$(python -c 'from cryptography.hazmat.primitives.asymmetric import rsa; \
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat; \
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048); \
        print(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())')" \
    python manage.py collectstatic --noinput --verbosity 0

USER service
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--no-ws", "--workers-kill-timeout", "10", "bitcoingame.wsgi:application"]

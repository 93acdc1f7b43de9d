"""The same API without viewsets."""

from django.urls import include, path

from tests.contrib.schema_urls import views
from tests.project.urls import urlpatterns as project

urlpatterns = [*project, path("api/v1/", include(views))]

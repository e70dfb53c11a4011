"""Every error that the model lists for an operation is raised, as the class that the SDK has."""

from errors import NEVER, SERVER_FAULTS, cases
from operations import OFFERED
from support import Case, COMMON_ERRORS, call, client, names_of_errors
from world import World

# Errors of operations that the model does not list for them, and that the SDK raises as classes
# of the service all the same. docs/kms-protocol.md says why.
BEYOND_THE_MODEL = {
    ("kms", "UpdateAlias", "InvalidKeyUsageException"),
    ("kms", "CreateGrant", "UnsupportedOperationException"),
    ("kms", "ListKeyPolicies", "InvalidMarkerException"),
    ("secretsmanager", "UpdateSecretVersionStage", "EncryptionFailure"),
}


class Errors(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.world = World(cls.kms, cls.secrets)

    def of(self, service):
        return self.kms if service == "kms" else self.secrets

    def test_every_refusal(self):
        for service, operation, error, request in cases(self.world):
            with self.subTest(operation=operation, error=error):
                self.assert_refused(self.of(service), error, operation, **request)

    def test_table_is_exactly_the_model(self):
        known = {
            service: names_of_errors(self.of(service).meta.service_model) for service in OFFERED
        }
        raised = {
            (service, name, error)
            for service, name, error, _ in cases(self.world)
            if error in known[service]
        }
        modelled = set()
        for service, names in OFFERED.items():
            model = self.of(service).meta.service_model
            for name in names:
                for shape in model.operation_model(name).error_shapes:
                    if shape.name not in SERVER_FAULTS:
                        modelled.add((service, name, shape.name))
        self.assertEqual(raised & NEVER.keys(), set(), "said never to occur, and occurs")
        self.assertEqual(modelled - raised - NEVER.keys(), set(), "neither raised nor excused")
        self.assertEqual(NEVER.keys() - modelled, set(), "excused, though no model lists it")
        self.assertLessEqual(raised - modelled, BEYOND_THE_MODEL)

    def test_strangers_are_denied_alike(self):
        kms = client("kms", stranger=True)
        world = self.world
        texts = {
            str(self.assert_refused(kms, "AccessDeniedException", "Decrypt", **request))
            for request in (
                {"CiphertextBlob": world.blob},
                {"CiphertextBlob": world.blob[:-1] + b"x"},
                {"CiphertextBlob": world.blob_of_disabled},
                {"CiphertextBlob": world.blob, "KeyId": "alias/world/none"},
            )
        }
        self.assertEqual(len(texts), 1, "the answer tells a key that exists from one that does not")
        for service, names in OFFERED.items():
            of = client(service, stranger=True)
            first = {"GenerateRandom": {"NumberOfBytes": 1}}
            for case_service, name, error, request in cases(world):
                if case_service == service and error not in COMMON_ERRORS:
                    first.setdefault(name, request)
            for name in sorted(names):
                with self.subTest(operation=name):
                    try:
                        call(of, name, **first[name])
                    except of.exceptions.ClientError as error:
                        code = error.response["Error"]["Code"]
                        # What is seen before rights are looked at: names and shapes.
                        early = {
                            "AccessDeniedException",
                            "NotFoundException",
                            "InvalidArnException",
                            "UnsupportedOperationException",
                            "InvalidParameterException",
                            "InvalidRequestException",
                            "LimitExceededException",
                        }
                        self.assertIn(code, early)
                    else:
                        self.fail("a stranger was let in")


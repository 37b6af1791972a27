# Names of everything that stacks create: test_names.py reads them from the plan. Planned against a mocked account.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

run "stacks_with_similar_names_are_planned" {
  command = plan

  module {
    source = "./tests/terraform/names"
  }
}

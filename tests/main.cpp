// The main of every test program: Catch2's own, in version 2 and 3.
#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
int main(int argc, char* argv[]) { return Catch::Session().run(argc, argv); }
#else
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12, sanitized, on std::regex's own copying
#endif
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif

#if defined(__SANITIZE_ADDRESS__)
// Asking for more memory than there is must end in an Error under the sanitizer too, not in its own abort.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }  // NOLINT: its name
#endif

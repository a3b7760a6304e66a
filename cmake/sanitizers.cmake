# Sanitizers change the ABI of containers' checks, so they apply to the tree.
if(BULKHEAD_SANITIZE)
  add_compile_options(-fsanitize=${BULKHEAD_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${BULKHEAD_SANITIZE})
  if(BULKHEAD_SANITIZE MATCHES undefined)
    # Its check of types opens a pipe for each look, so it is wrong where tests leave no descriptor,
    # and it dislikes downcasts inside CAF's own headers.
    add_compile_options(-fno-sanitize=vptr)
  endif()
  if(BULKHEAD_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # ThreadSanitizer does not model fences; the tests decide what runs there.
    add_compile_options(-Wno-tsan)
  endif()
endif()

# Installs the build in BUILD under PLACE, and builds and runs the project in SOURCE against it.
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()
file(REMOVE_RECURSE ${PLACE})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${PLACE}/installed)
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${PLACE}/user -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH=${PLACE}/installed)
run(${CMAKE_COMMAND} --build ${PLACE}/user)
run(${PLACE}/user/user)
